//! Tests of the store on disks, clocks and randomness that are given.

mod ahead;
mod apply;
mod backup;
mod backup_crash;
mod backup_damage;
mod classes;
mod crash;
mod damage;
mod deep;
mod evidence;
mod failed;
mod full;
mod golden;
mod keys;
mod live;
mod looks;
mod marks;
mod meanwhile;
mod pack;
mod parallel;
mod partition;
mod repair;
mod repair_crash;
mod repair_others;
mod replaced;
mod runs;
mod saved;
mod strict;
mod superseded;
mod waiting;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::trial::{append, env, export, open};
use super::*;
use crate::Event;
use crate::log::{Disk, LogSettings};

fn customer(n: u64) -> String {
    format!(
        r#"{{"type":"CUSTOMER","verb":"NEW","key":"c{n}","event_time":"2017-01-0{}T00:00:00Z","last_name":"N{n}"}}"#,
        n % 9 + 1
    )
}

fn visit(n: u64, customer: u64) -> String {
    format!(
        r#"{{"type":"SITE_VISIT","verb":"NEW","key":"v{n}","event_time":"2017-02-03T04:05:06.{n:03}Z","customer_id":"c{customer}","tags":[{{"n":{n}}}]}}"#
    )
}

fn order(verb: &str, n: u64, customer: u64, cents: u64, second: u64) -> String {
    format!(
        r#"{{"type":"ORDER","verb":"{verb}","key":"o{n}","event_time":"2017-03-04T05:06:{second:02}Z","customer_id":"c{customer}","total_amount":"{}.{:02} USD"}}"#,
        cents / 100,
        cents % 100
    )
}
