//! Writes well-formed XML, which is also HTML: every element is closed, every text escaped.

use std::fmt::{Display, Write};

/// Attributes as they are written; the values are escaped.
pub type Attributes<'a> = &'a [(&'a str, &'a dyn Display)];

#[derive(Default)]
pub struct Markup {
    text: String,
    open: Vec<&'static str>,
}

impl Markup {
    pub fn open(&mut self, name: &'static str, attributes: Attributes) -> &mut Markup {
        self.tag(name, attributes);
        self.text.push('>');
        self.open.push(name);
        self
    }

    pub fn close(&mut self) -> &mut Markup {
        let name = self.open.pop().expect("as many elements are opened as closed");
        let _ = write!(self.text, "</{name}>");
        if BLOCKS.contains(&name) {
            self.text.push('\n');
        }
        self
    }

    /// An element of nothing.
    pub fn empty(&mut self, name: &'static str, attributes: Attributes) -> &mut Markup {
        self.tag(name, attributes);
        self.text.push_str("/>");
        self
    }

    pub fn element(
        &mut self,
        name: &'static str,
        attributes: Attributes,
        text: &str,
    ) -> &mut Markup {
        self.open(name, attributes).text(text).close()
    }

    pub fn text(&mut self, text: &str) -> &mut Markup {
        escape(&mut self.text, text);
        self
    }

    /// What is markup already.
    pub fn raw(&mut self, markup: &str) -> &mut Markup {
        self.text.push_str(markup);
        self
    }

    pub fn finish(self) -> String {
        assert!(self.open.is_empty(), "left open: {:?}", self.open);
        self.text
    }

    fn tag(&mut self, name: &str, attributes: Attributes) {
        let _ = write!(self.text, "<{name}");
        for (key, value) in attributes {
            let _ = write!(self.text, " {key}=\"");
            escape(&mut self.text, &value.to_string());
            self.text.push('"');
        }
    }
}

/// After which a line ends, so that differences between two pages can be read.
const BLOCKS: [&str; 12] =
    ["tr", "table", "section", "figure", "svg", "p", "h1", "h2", "h3", "g", "li", "style"];

fn escape(into: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '&' => into.push_str("&amp;"),
            '"' => into.push_str("&quot;"),
            // XML has no other control characters, whatever a broker calls its version.
            c if c.is_control() && !matches!(c, '\n' | '\t') => into.push('\u{fffd}'),
            c => into.push(c),
        }
    }
}

/// A coordinate: a tenth of a pixel is finer than any screen.
#[derive(Clone, Copy)]
pub struct Px(pub f64);

impl Display for Px {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = (self.0 * 10.0).round() / 10.0;
        // No "-0".
        write!(f, "{}", tenths + 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_markup_is_escaped() {
        let mut markup = Markup::default();
        markup.open("p", &[("title", &"a\"b"), ("x", &Px(1.26))]);
        markup.text("1 < 2 & \u{7}").empty("br", &[]).close();
        let expected = "<p title=\"a&quot;b\" x=\"1.3\">1 &lt; 2 &amp; \u{fffd}<br/></p>\n";
        assert_eq!(markup.finish(), expected);
    }

    #[test]
    #[should_panic(expected = "left open")]
    fn what_is_left_open_is_found() {
        let mut markup = Markup::default();
        markup.open("p", &[]);
        markup.finish();
    }
}
