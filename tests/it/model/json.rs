//! JSON by RFC 8259, with the two rules on top: no name twice in one object, no half surrogate pair.
//!
//! Numbers stay text; [`Json::normal`] makes equal values equal trees.

/// A value as it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub fn text(text: &str) -> Json {
        Json::Text(text.to_owned())
    }

    /// A member of an object.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => {
                members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The same tree for every way to write the same value: members sorted, numbers by value.
    pub fn normal(&self) -> Json {
        match self {
            Json::Number(text) => Json::Number(normal_number(text)),
            Json::Array(items) => Json::Array(items.iter().map(Json::normal).collect()),
            Json::Object(members) => {
                let mut members: Vec<_> =
                    members.iter().map(|(name, value)| (name.clone(), value.normal())).collect();
                members.sort();
                Json::Object(members)
            }
            other => other.clone(),
        }
    }
}

/// Sign, digits without zeros at either end, and the power of ten: one text for each value.
pub fn normal_number(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut power: i128 = exponent.strip_prefix('+').unwrap_or(exponent).parse().unwrap();
    power -= part.len() as i128;
    let digits = format!("{whole}{part}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    power += (digits.len() - significant.len()) as i128;
    if significant.is_empty() { "0".to_owned() } else { format!("{sign}{significant}e{power}") }
}

/// How deep the brackets outside strings go, whether or not this is JSON.
pub fn levels(text: &[u8]) -> usize {
    let (mut level, mut deepest, mut in_string) = (0_usize, 0, false);
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                bytes.next();
            }
            b'[' | b'{' if !in_string => {
                level += 1;
                deepest = deepest.max(level);
            }
            b']' | b'}' if !in_string => level = level.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The one value that the text holds, or `None` for anything else.
pub fn parse(text: &[u8]) -> Option<Json> {
    read(text, true)
}

/// JSON by the grammar alone: names may be repeated, and half a surrogate pair gives some letter.
pub fn parse_loosely(text: &[u8]) -> Option<Json> {
    read(text, false)
}

/// Whether it is JSON by the grammar alone.
pub fn is_grammatical(text: &[u8]) -> bool {
    parse_loosely(text).is_some()
}

fn read(text: &[u8], strict: bool) -> Option<Json> {
    let text = std::str::from_utf8(text).ok()?;
    let mut parser = Parser { rest: text, strict };
    let value = parser.value()?;
    parser.blank();
    parser.rest.is_empty().then_some(value)
}

struct Parser<'a> {
    rest: &'a str,
    /// Whether the two rules on top hold.
    strict: bool,
}

impl Parser<'_> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    /// Takes `token` if it stands here.
    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self) -> Option<Json> {
        self.blank();
        match self.rest.bytes().next()? {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => self.string().map(Json::Text),
            b't' => self.take("true").then_some(Json::Bool(true)),
            b'f' => self.take("false").then_some(Json::Bool(false)),
            b'n' => self.take("null").then_some(Json::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self) -> Option<Json> {
        self.take("{");
        let mut members: Vec<(String, Json)> = Vec::new();
        self.blank();
        if self.take("}") {
            return Some(Json::Object(members));
        }
        loop {
            self.blank();
            let name = self.string()?;
            if self.strict && members.iter().any(|(known, _)| *known == name) {
                return None;
            }
            self.blank();
            if !self.take(":") {
                return None;
            }
            members.push((name, self.value()?));
            self.blank();
            if self.take("}") {
                return Some(Json::Object(members));
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    fn array(&mut self) -> Option<Json> {
        self.take("[");
        let mut items = Vec::new();
        self.blank();
        if self.take("]") {
            return Some(Json::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.blank();
            if self.take("]") {
                return Some(Json::Array(items));
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        if !self.take("\"") {
            return None;
        }
        let mut text = String::new();
        loop {
            let next = self.rest.chars().next()?;
            self.rest = &self.rest[next.len_utf8()..];
            match next {
                '"' => return Some(text),
                '\\' => text.push(self.escape()?),
                '\0'..='\u{1f}' => return None,
                _ => text.push(next),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(match next {
            '"' | '\\' | '/' => next,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.four()?;
                let after_first = self.rest;
                self.second(first).or_else(|| {
                    self.rest = after_first;
                    (!self.strict).then_some('\u{fffd}')
                })?
            }
            _ => return None,
        })
    }

    /// The letter that a UTF-16 unit begins, with the unit that must follow if it is half of one.
    fn second(&mut self, first: u32) -> Option<char> {
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        let second = if self.take("\\u") { self.four()? } else { return None };
        if !(0xdc00..0xe000).contains(&second) {
            return None;
        }
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    }

    fn four(&mut self) -> Option<u32> {
        let digits = self.rest.get(..4)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        self.rest = &self.rest[4..];
        u32::from_str_radix(digits, 16).ok()
    }

    fn number(&mut self) -> Option<Json> {
        let whole = self.rest;
        self.take("-");
        if !self.take("0") {
            self.digits()?;
        }
        if self.take(".") {
            self.digits()?;
        }
        if self.take("e") || self.take("E") {
            if !self.take("+") {
                self.take("-");
            }
            self.digits()?;
        }
        Some(Json::Number(whole[..whole.len() - self.rest.len()].to_owned()))
    }

    /// One digit or more.
    fn digits(&mut self) -> Option<()> {
        let rest = self.rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
        let some = rest.len() < self.rest.len();
        self.rest = rest;
        some.then_some(())
    }
}
