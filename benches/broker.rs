//! A client of NATS JetStream and nothing else, beside which `publish` and `ingest` are measured:
//! it sends the lines of a file, or reads them again, and neither looks into them nor keeps them.
//!
//! `tests/broker/run --rates` runs it. Without arguments, as under `cargo test`, it does nothing.

#![allow(missing_docs, clippy::print_stdout, reason = "a bench prints what it measured")]

use std::collections::VecDeque;
use std::future::IntoFuture;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{Context, stream};
use futures_util::StreamExt;
use tokio::runtime::Builder;

/// As many messages under way as `publish` has.
const UNDER_WAY: usize = 4096;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match args.as_slice() {
        ["publish", servers, name, streams, file] => {
            runtime.block_on(publish(servers, name, streams.parse()?, file))
        }
        ["read", servers, name, streams] => runtime.block_on(read(servers, name, streams.parse()?)),
        _ => Ok(()),
    }
}

async fn connect(servers: &str) -> Result<Context, Failure> {
    let servers: Vec<&str> = servers.split(',').collect();
    Ok(async_nats::jetstream::new(async_nats::connect(servers.as_slice()).await?))
}

async fn publish(servers: &str, name: &str, streams: usize, file: &str) -> Result<(), Failure> {
    let context = connect(servers).await?;
    for number in 0..streams {
        let config = stream::Config {
            name: format!("{name}-{number}"),
            subjects: vec![format!("{name}.{number}")],
            num_replicas: 3,
            ..stream::Config::default()
        };
        context.create_stream(config).await?;
    }
    let text = std::fs::read(file)?;
    let (began, mut under_way) = (Instant::now(), VecDeque::new());
    let mut count = 0_usize;
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        if under_way.len() == UNDER_WAY
            && let Some(first) = under_way.pop_front()
        {
            IntoFuture::into_future(first).await?;
        }
        let message = PublishMessage::build().payload(line.to_vec().into());
        let message = message.message_id(format!("{count:032x}"));
        let subject = format!("{name}.{}", count % streams);
        under_way.push_back(context.send_publish(subject, message).await?);
        count += 1;
    }
    for ack in under_way {
        ack.await?;
    }
    println!("{{\"messages\": {count}, \"seconds\": {:.3}}}", began.elapsed().as_secs_f64());
    Ok(())
}

async fn read(servers: &str, name: &str, streams: usize) -> Result<(), Failure> {
    let context = connect(servers).await?;
    let began = Instant::now();
    let readers: Vec<_> = (0..streams)
        .map(|number| tokio::spawn(read_one(context.clone(), format!("{name}-{number}"))))
        .collect();
    let mut count = 0;
    for reader in readers {
        count += reader.await??;
    }
    println!("{{\"messages\": {count}, \"seconds\": {:.3}}}", began.elapsed().as_secs_f64());
    Ok(())
}

async fn read_one(context: Context, name: String) -> Result<u64, Failure> {
    let mut found = context.get_stream(&name).await?;
    let last = found.info().await?.state.last_sequence;
    let config = pull::Config {
        ack_policy: AckPolicy::None,
        memory_storage: true,
        num_replicas: 1,
        inactive_threshold: Duration::from_secs(60),
        ..pull::Config::default()
    };
    let consumer = found.create_consumer(config).await?;
    let asked = consumer.stream().max_messages_per_batch(8192).max_bytes_per_batch(8 << 20);
    let mut messages = asked.messages().await?;
    let mut count = 0;
    while count < last {
        let message = messages.next().await.ok_or("the stream ended")??;
        count += u64::from(!message.payload.is_empty());
    }
    Ok(count)
}
