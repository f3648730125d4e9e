//! SVG as text: elements, attributes and texts, escaped. It draws nothing by itself.
//!
//! No element has a style of its own, which the page's policy would not let through; classes and
//! `currentColor` leave the colours to the page.

use std::fmt::{self, Display, Write};

/// An element's attributes by name.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a dyn Display)];

/// A length on the page, with one decimal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Px(pub(super) f64);

impl Display for Px {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No minus before a zero.
        write!(out, "{:.1}", if self.0.abs() < 0.05 { 0.0 } else { self.0 })
    }
}

/// An image that is being written.
pub(super) struct Svg {
    text: String,
    open: Vec<&'static str>,
}

impl Svg {
    /// An image of this size, in pixels. `name` tells it from others of the same page; who cannot
    /// see it is told `title` and `description`.
    pub(super) fn new(name: &str, (width, height): (u32, u32), title: &str, about: &str) -> Svg {
        let mut svg = Svg { text: String::new(), open: Vec::new() };
        let (title_id, about_id) = (format!("{name}-title"), format!("{name}-desc"));
        svg.open(
            "svg",
            &[
                ("xmlns", &"http://www.w3.org/2000/svg"),
                ("class", &"chart"),
                ("width", &width),
                ("height", &height),
                ("viewBox", &format!("0 0 {width} {height}")),
                ("font-family", &"system-ui, sans-serif"),
                ("font-size", &11),
                ("fill", &"currentColor"),
                ("role", &"img"),
                ("aria-labelledby", &title_id),
                ("aria-describedby", &about_id),
            ],
        );
        svg.text("title", &[("id", &title_id)], title);
        svg.text("desc", &[("id", &about_id)], about);
        svg
    }

    /// Begins an element that has others in it.
    pub(super) fn open(&mut self, element: &'static str, attributes: Attributes<'_>) {
        self.begin(element, attributes);
        self.text.push('>');
        self.open.push(element);
    }

    /// Ends the last one that was begun.
    pub(super) fn close(&mut self) {
        if let Some(element) = self.open.pop() {
            write!(self.text, "</{element}>").expect("a string takes all text");
        }
    }

    /// An element without any in it.
    pub(super) fn leaf(&mut self, element: &'static str, attributes: Attributes<'_>) {
        self.begin(element, attributes);
        self.text.push_str("/>");
    }

    /// An element with a text in it.
    pub(super) fn text(&mut self, element: &'static str, attributes: Attributes<'_>, text: &str) {
        self.open(element, attributes);
        escape(text, &mut self.text);
        self.close();
    }

    /// The whole image.
    pub(super) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.text
    }

    fn begin(&mut self, element: &'static str, attributes: Attributes<'_>) {
        write!(self.text, "<{element}").expect("a string takes all text");
        for (name, value) in attributes {
            write!(self.text, " {name}=\"").expect("a string takes all text");
            escape(&value.to_string(), &mut self.text);
            self.text.push('"');
        }
    }
}

/// What XML has other uses for is escaped; what it cannot hold at all is replaced.
fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(letter),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Checks that every element ends where it should and every value is quoted; gives the texts.
    pub(crate) fn well_formed(svg: &str) -> Vec<String> {
        let (mut open, mut texts, mut rest) = (Vec::new(), Vec::new(), svg);
        while let Some(at) = rest.find('<') {
            let (text, tag) = rest.split_at(at);
            assert!(!text.contains('>'), "{text}");
            assert!(open.is_empty() <= text.is_empty(), "{text} outside of all elements");
            if !text.is_empty() {
                texts.push(text.to_owned());
            }
            let (tag, after) = tag[1..].split_once('>').expect("a tag ends");
            assert!(!tag.contains('<'), "{tag}");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name.to_owned()));
            } else {
                let name = tag.split([' ', '/']).next().unwrap().to_owned();
                assert!(name.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}");
                let quotes = tag.split('"').collect::<Vec<_>>();
                assert_eq!(quotes.len() % 2, 1, "{tag}");
                for name in quotes.iter().step_by(2).rev().skip(1) {
                    let name = name.split(' ').next_back().unwrap();
                    let is_name = |name: &str| {
                        name.bytes().all(|one| one.is_ascii_alphanumeric() || one == b'-')
                    };
                    let name = name.strip_suffix('=').filter(|name| is_name(name));
                    let name = name.expect("a value has a name");
                    assert!(name != "style" && !name.starts_with("on"), "{tag}");
                }
                if !tag.ends_with('/') {
                    open.push(name);
                }
            }
            rest = after;
        }
        assert!(open.is_empty() && rest.is_empty(), "{open:?} {rest}");
        texts
    }

    #[test]
    fn whatever_a_text_is_it_stays_a_text() {
        let mut svg = Svg::new("n", (10, 20), "<script>alert(1)</script>", "a & \"b\" 'c'\u{1}");
        svg.leaf("rect", &[("x", &Px(-0.01)), ("class", &"\"><script>")]);
        svg.open("g", &[]);
        svg.text("text", &[], "]]></svg>");
        let svg = svg.finish();
        assert_eq!(
            well_formed(&svg),
            [
                "&lt;script&gt;alert(1)&lt;/script&gt;",
                "a &amp; &quot;b&quot; &#39;c&#39;\u{fffd}",
                "]]&gt;&lt;/svg&gt;"
            ]
        );
        assert!(!svg.contains("<script") && svg.contains("x=\"0.0\""), "{svg}");
        assert!(svg.ends_with("</text></g></svg>"), "{svg}");
    }
}
