//! Who asks, as the addresses of the servers tell it: `nats://USER:PASSWORD@HOST`, `nats://TOKEN@HOST`.

use async_nats::ServerAddr;
use percent_encoding::percent_decode_str;

use super::each;

/// Who asks a server, and what proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    User { name: String, password: String },
    Token(String),
}

/// The one who asks all servers; none if no address tells.
pub(super) fn asker(servers: &str) -> Result<Option<Asker>, String> {
    let mut askers = each(servers).filter_map(|server| of_one(server).transpose());
    let Some(first) = askers.next().transpose()? else { return Ok(None) };
    for other in askers {
        if other? != first {
            let reason =
                "the addresses of the NATS servers name different users: all are asked as one";
            return Err(reason.to_owned());
        }
    }
    Ok(Some(first))
}

fn of_one(server: &str) -> Result<Option<Asker>, String> {
    if server.rsplit_once('@').is_some_and(|(who, _)| who.ends_with(':')) {
        return Err("the address of a NATS server has a user and an empty password".to_owned());
    }
    let Ok(address) = server.parse::<ServerAddr>() else { return Ok(None) };
    let plain = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded.map(String::from).map_err(|_not_utf8| {
            "the user or password in the address of a NATS server is no UTF-8 text".to_owned()
        })
    };
    match (address.username(), address.password()) {
        (None, None) => Ok(None),
        (None, Some(_)) => {
            Err("the address of a NATS server has a password and no user".to_owned())
        }
        (Some(token), None) => plain(token).map(Asker::Token).map(Some),
        (Some(name), Some(password)) => {
            Ok(Some(Asker::User { name: plain(name)?, password: plain(password)? }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, password: &str) -> Option<Asker> {
        Some(Asker::User { name: name.to_owned(), password: password.to_owned() })
    }

    #[test]
    fn an_address_tells_who_asks() {
        assert_eq!(asker("nats://h:4222, tls://h2"), Ok(None));
        assert_eq!(asker("nats://me:s3cret@h"), Ok(user("me", "s3cret")));
        assert_eq!(
            asker("h1,me:p%40ss%2F%C3%A9@h2,nats://me:p%40ss%2F%C3%A9@h3"),
            Ok(user("me", "p@ss/é"))
        );
        assert_eq!(asker("nats://t0ken@h"), Ok(Some(Asker::Token("t0ken".to_owned()))));
    }

    #[test]
    fn who_asks_is_one_and_can_be_read() {
        for servers in
            ["nats://a:b@h,nats://a:c@h", "a@h,b@h", "nats://:p@h", "nats://a:@h", "nats://a:%ff@h"]
        {
            let told = asker(servers).expect_err(servers);
            assert!(!told.contains('@') && told.contains("NATS"), "{told}");
        }
    }
}
