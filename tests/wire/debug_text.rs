//! Reads what `{:?}` prints: the one form in which our messages and the oracle's can be compared,
//! field by field and by name.

#[derive(Debug, PartialEq)]
pub enum Node {
    /// A number, an identifier, a UUID.
    Token(String),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Node>),
    Tuple(String, Vec<Node>),
    Struct(String, Vec<(String, Node)>),
    /// A map, of which only the size matters here.
    Map(usize),
}

pub fn parse(text: &str) -> Node {
    let mut parser = Parser { rest: text };
    let node = parser.value();
    assert_eq!(parser.rest, "", "text behind the value");
    node
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn token(&mut self) -> String {
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let end = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        token.to_owned()
    }

    fn until(&mut self, end: &str, mut item: impl FnMut(&mut Self)) {
        while !self.eat(end) {
            item(self);
            self.eat(", ");
        }
    }

    fn value(&mut self) -> Node {
        if self.eat("b\"") {
            return Node::Bytes(self.quoted());
        }
        if self.eat("\"") {
            return Node::Text(String::from_utf8(self.quoted()).expect("UTF-8"));
        }
        if self.eat("[") {
            let mut items = Vec::new();
            self.until("]", |parser| items.push(parser.value()));
            return Node::List(items);
        }
        if self.eat("{") {
            let mut len = 0;
            self.until("}", |parser| {
                parser.value();
                assert!(parser.eat(": "));
                parser.value();
                len += 1;
            });
            return Node::Map(len);
        }
        let name = self.token();
        assert!(!name.is_empty(), "no value at {}", self.rest);
        if self.eat("(") {
            let mut items = Vec::new();
            self.until(")", |parser| items.push(parser.value()));
            return Node::Tuple(name, items);
        }
        if self.eat(" { ") {
            let mut fields = Vec::new();
            self.until(" }", |parser| {
                let field = parser.token();
                assert!(parser.eat(": "), "no field at {}", parser.rest);
                fields.push((field, parser.value()));
            });
            return Node::Struct(name, fields);
        }
        Node::Token(name)
    }

    /// The rest of a quoted string, behind its opening quote, without escapes.
    fn quoted(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            let mut chars = self.rest.chars();
            let c = chars.next().expect("a closing quote");
            self.rest = chars.as_str();
            match c {
                '"' => return out,
                '\\' => self.escape(&mut out),
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) {
        let kind = self.rest.chars().next().expect("an escape");
        self.rest = &self.rest[kind.len_utf8()..];
        match kind {
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            '0' => out.push(0),
            'x' => {
                let (digits, rest) = self.rest.split_at(2);
                self.rest = rest;
                out.push(u8::from_str_radix(digits, 16).expect("hex"));
            }
            'u' => {
                let (digits, rest) = self.rest[1..].split_once('}').expect("a closing brace");
                self.rest = rest;
                let code = u32::from_str_radix(digits, 16).expect("hex");
                let c = char::from_u32(code).expect("a character");
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => out.push(other as u8),
        }
    }
}

#[test]
fn what_debug_prints_is_read() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "printed")]
    struct Id(i32);
    #[derive(Debug)]
    #[expect(dead_code, reason = "printed")]
    struct Sample<'a> {
        id: Id,
        names: Vec<&'a str>,
        bytes: bytes::Bytes,
        none: Option<i8>,
        map: std::collections::BTreeMap<i32, i32>,
    }
    let sample = Sample {
        id: Id(-3),
        names: vec!["a\"\\\n\u{1}ä", ""],
        bytes: bytes::Bytes::from_static(b"\x00\xff\"a\\"),
        none: None,
        map: [(1, 2)].into(),
    };
    let token = |text: &str| Node::Token(text.into());
    let fields = vec![
        ("id".into(), Node::Tuple("Id".into(), vec![token("-3")])),
        (
            "names".into(),
            Node::List(vec![Node::Text("a\"\\\n\u{1}ä".into()), Node::Text(String::new())]),
        ),
        ("bytes".into(), Node::Bytes(b"\x00\xff\"a\\".to_vec())),
        ("none".into(), token("None")),
        ("map".into(), Node::Map(1)),
    ];
    assert_eq!(parse(&format!("{sample:?}")), Node::Struct("Sample".into(), fields));
}
