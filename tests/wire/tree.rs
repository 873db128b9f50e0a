//! Messages as trees of values: made from a shape and a seed, written by a second, simple encoder,
//! and held against what `{:?}` prints of a decoded message.

use ringmain::base::prng::Prng;
use ringmain::model::ids::TopicId;
use ringmain::wire::schema::{Field, Kind, Shape};

use crate::debug_text::Node;

#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Bool(bool),
    Number(i64),
    Uuid([u8; 16]),
    Text(String),
    Bytes(Vec<u8>),
    Null,
    List(Vec<Tree>),
    /// The fields that exist in the version.
    Struct(Vec<(&'static str, Tree)>),
}

/// What kind of values a message is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Style {
    Random,
    /// Every string, array and nullable value is empty or null, but lists have elements: the
    /// fewest bytes for the most elements.
    Least,
}

pub struct Maker<'p> {
    pub prng: &'p mut Prng,
    pub version: i16,
    pub style: Style,
}

impl Maker<'_> {
    pub fn message(&mut self, shape: &'static Shape) -> Tree {
        self.fields(shape, 0)
    }

    fn fields(&mut self, shape: &'static Shape, depth: u32) -> Tree {
        let version = self.version;
        let fields = shape.fields.iter().filter(|field| field.versions.hold(version));
        Tree::Struct(fields.map(|field| (field.name, self.field(field, depth))).collect())
    }

    fn field(&mut self, field: &'static Field, depth: u32) -> Tree {
        let nullable = field.null_from.is_some_and(|from| self.version >= from);
        let least = self.style == Style::Least;
        if field.tag.is_some() && (least || self.prng.chance(1, 3)) {
            return default_of(field, self.version);
        }
        if nullable && (least || self.prng.chance(1, 4)) {
            return Tree::Null;
        }
        self.value(&field.kind, depth)
    }

    fn value(&mut self, kind: &'static Kind, depth: u32) -> Tree {
        match kind {
            Kind::Bool => Tree::Bool(self.prng.chance(1, 2)),
            Kind::I8 => self.number(i8::MIN.into(), i8::MAX.into()),
            Kind::U16 => self.number(0, u16::MAX.into()),
            Kind::I16 => self.number(i16::MIN.into(), i16::MAX.into()),
            Kind::I32 => self.number(i32::MIN.into(), i32::MAX.into()),
            Kind::I64 => self.number(i64::MIN, i64::MAX),
            Kind::F64 => unimplemented_kind(kind),
            Kind::Uuid => {
                let mut bytes = [0; 16];
                if self.prng.chance(3, 4) {
                    self.prng.fill(&mut bytes);
                }
                Tree::Uuid(bytes)
            }
            Kind::String => Tree::Text(self.text()),
            Kind::Bytes | Kind::Records => {
                let mut bytes = vec![0; self.size(300)];
                self.prng.fill(&mut bytes);
                Tree::Bytes(bytes)
            }
            Kind::Array(element) => {
                let count = match (self.style, element, depth) {
                    (Style::Least, _, _) => 3,
                    (_, Kind::Struct(_), 0) => self.prng.below(4) as usize,
                    (_, Kind::Struct(_), _) => self.prng.below(3) as usize,
                    _ => self.size(200),
                };
                Tree::List((0..count).map(|_| self.value(element, depth + 1)).collect())
            }
            Kind::Struct(shape) => self.fields(shape, depth + 1),
        }
    }

    fn number(&mut self, min: i64, max: i64) -> Tree {
        let number = match self.prng.below(8) {
            0 => 0,
            1 => 1,
            2 => -1,
            3 => min,
            4 => max,
            5 => self.prng.below(100) as i64,
            _ => {
                let span = max.wrapping_sub(min) as u64;
                let offset = match span.checked_add(1) {
                    Some(bound) => self.prng.below(bound),
                    None => self.prng.next_u64(),
                };
                min.wrapping_add(offset as i64)
            }
        };
        Tree::Number(number.clamp(min, max))
    }

    /// Mostly small; now and then past what one byte of a variable-length integer can say.
    fn size(&mut self, large: usize) -> usize {
        match (self.style, self.prng.below(10)) {
            (Style::Least, _) => 0,
            (_, 0) => 0,
            (_, 1) => large,
            (_, 2) => 126 + self.prng.below(4) as usize,
            _ => self.prng.below(6) as usize,
        }
    }

    fn text(&mut self) -> String {
        const LETTERS: [char; 12] =
            ['a', 'Z', '0', '.', '_', '"', '\\', '\n', '\u{7f}', 'ä', '‰', '𝄞'];
        let len = self.size(300);
        (0..len).map(|_| LETTERS[self.prng.below(12) as usize]).collect()
    }
}

fn unimplemented_kind(kind: &Kind) -> ! {
    panic!("no values are made for {kind:?} yet")
}

/// The value that a field has when it was left out.
fn default_of(field: &Field, version: i16) -> Tree {
    if field.default.starts_with("Some(") {
        return empty(&field.kind, version);
    }
    if field.default.is_empty() {
        return if field.null_from.is_some() { Tree::Null } else { empty(&field.kind, version) };
    }
    match field.default {
        "true" => Tree::Bool(true),
        "i32::MAX" => Tree::Number(i32::MAX.into()),
        "i64::MAX" => Tree::Number(i64::MAX),
        text => Tree::Number(text.replace([' ', '_'], "").parse().expect("a number by default")),
    }
}

fn empty(kind: &Kind, version: i16) -> Tree {
    match kind {
        Kind::Bool => Tree::Bool(false),
        Kind::I8 | Kind::U16 | Kind::I16 | Kind::I32 | Kind::I64 => Tree::Number(0),
        Kind::F64 => unimplemented_kind(kind),
        Kind::Uuid => Tree::Uuid([0; 16]),
        Kind::String => Tree::Text(String::new()),
        Kind::Bytes | Kind::Records => Tree::Bytes(Vec::new()),
        Kind::Array(_) => Tree::List(Vec::new()),
        Kind::Struct(shape) => {
            let fields = shape.fields.iter().filter(|field| field.versions.hold(version));
            Tree::Struct(fields.map(|field| (field.name, default_of(field, version))).collect())
        }
    }
}

fn has_length(kind: &Kind) -> bool {
    matches!(kind, Kind::String | Kind::Bytes | Kind::Records | Kind::Array(_))
}

/// A length or count in encoded bytes.
#[derive(Clone, Copy, Debug)]
pub struct LengthAt {
    pub position: usize,
    /// Bytes it takes.
    pub size: usize,
    pub compact: bool,
}

/// Bytes, and where their lengths stand.
#[derive(Default)]
pub struct Encoder {
    pub bytes: Vec<u8>,
    pub lengths: Vec<LengthAt>,
    pub version: i16,
    pub flexible: bool,
    /// Writes the content of a tagged field, where a struct has another null.
    tagged: bool,
    /// Adds tagged fields that nobody knows.
    pub strange_tags: Option<Prng>,
    /// Writes null for the field that would be the n-th length or count, allowed or not.
    pub null_at: Option<usize>,
    /// Whether that field has null in a later version.
    pub null_is_later: bool,
}

impl Encoder {
    pub fn new(version: i16, first_flexible: i16) -> Encoder {
        Encoder { version, flexible: version >= first_flexible, ..Encoder::default() }
    }

    fn like(&self) -> Encoder {
        Encoder { version: self.version, flexible: self.flexible, ..Encoder::default() }
    }

    pub fn fields(&mut self, shape: &Shape, tree: &Tree) {
        let Tree::Struct(values) = tree else { panic!("{tree:?} is no struct") };
        let fields: Vec<&Field> =
            shape.fields.iter().filter(|field| field.versions.hold(self.version)).collect();
        assert_eq!(fields.len(), values.len());
        let mut tagged = Vec::new();
        for (field, (name, value)) in fields.into_iter().zip(values) {
            assert_eq!(field.name, *name);
            match field.tag {
                None => self.field(field, value),
                Some(tag) if *value != default_of(field, self.version) => {
                    let mut content = Encoder { tagged: true, ..self.like() };
                    content.field(field, value);
                    self.null_is_later |= content.null_is_later;
                    tagged.push((tag, content));
                }
                Some(_) => {}
            }
        }
        if self.flexible {
            if let Some(prng) = &mut self.strange_tags {
                for _ in 0..prng.below(3) {
                    let bytes = vec![0xaa; prng.below(200) as usize];
                    let content = Encoder { bytes, ..Encoder::default() };
                    tagged.push((100 + prng.below(1_000) as u32, content));
                }
            }
            tagged.sort_by_key(|(tag, _)| *tag);
            self.varint(tagged.len() as u64);
            for (tag, content) in tagged {
                self.varint(tag.into());
                self.varint(content.bytes.len() as u64);
                let start = self.bytes.len();
                self.bytes.extend(content.bytes);
                let moved = |at: LengthAt| LengthAt { position: at.position + start, ..at };
                self.lengths.extend(content.lengths.into_iter().map(moved));
            }
        }
    }

    fn field(&mut self, field: &Field, value: &Tree) {
        let nullable = field.null_from.is_some_and(|from| self.version >= from);
        let null = if std::mem::take(&mut self.tagged) { 0 } else { 0xff };
        assert!(nullable || *value != Tree::Null);
        if self.null_at == Some(self.lengths.len()) && has_length(&field.kind) {
            self.null_is_later = field.null_from.is_some() && !nullable;
            self.value(&field.kind, &Tree::Null);
            return;
        }
        if let (Kind::Struct(_), true) = (field.kind, nullable) {
            self.bytes.push(if *value == Tree::Null { null } else { 1 });
            if *value == Tree::Null {
                return;
            }
        }
        self.value(&field.kind, value);
    }

    fn value(&mut self, kind: &Kind, value: &Tree) {
        match (kind, value) {
            (Kind::Bool, Tree::Bool(value)) => self.bytes.push((*value).into()),
            (Kind::I8, Tree::Number(n)) => self.bytes.extend((*n as i8).to_be_bytes()),
            (Kind::U16, Tree::Number(n)) => self.bytes.extend((*n as u16).to_be_bytes()),
            (Kind::I16, Tree::Number(n)) => self.bytes.extend((*n as i16).to_be_bytes()),
            (Kind::I32, Tree::Number(n)) => self.bytes.extend((*n as i32).to_be_bytes()),
            (Kind::I64, Tree::Number(n)) => self.bytes.extend(n.to_be_bytes()),
            (Kind::Uuid, Tree::Uuid(bytes)) => self.bytes.extend(bytes),
            (Kind::String, Tree::Null) => self.length(None, 2),
            (Kind::String, Tree::Text(text)) => {
                self.length(Some(text.len()), 2);
                self.bytes.extend(text.as_bytes());
            }
            (Kind::Bytes | Kind::Records | Kind::Array(_), Tree::Null) => self.length(None, 4),
            (Kind::Bytes | Kind::Records, Tree::Bytes(bytes)) => {
                self.length(Some(bytes.len()), 4);
                self.bytes.extend(bytes);
            }
            (Kind::Array(element), Tree::List(values)) => {
                self.length(Some(values.len()), 4);
                for value in values {
                    self.value(element, value);
                }
            }
            (Kind::Struct(shape), tree) => self.fields(shape, tree),
            (kind, value) => panic!("{value:?} for {kind:?}"),
        }
    }

    fn length(&mut self, len: Option<usize>, plain_size: usize) {
        let position = self.bytes.len();
        if self.flexible {
            self.varint(len.map_or(0, |len| len as u64 + 1));
        } else {
            let len = len.map_or(-1, |len| len as i64);
            self.bytes.extend(&len.to_be_bytes()[8 - plain_size..]);
        }
        let size = self.bytes.len() - position;
        self.lengths.push(LengthAt { position, size, compact: self.flexible });
    }

    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

/// Holds a printed message against the tree: every field of the tree by its name.
pub fn compare(node: &Node, tree: &Tree) -> Result<(), String> {
    let same = match (node, tree) {
        (Node::Tuple(name, items), _) if name == "TopicId" => match (&items[..], tree) {
            ([Node::Token(text)], Tree::Uuid(bytes)) => text.parse() == Ok(TopicId(*bytes)),
            _ => false,
        },
        (Node::Tuple(_, items), _) if items.len() == 1 => return compare(&items[0], tree),
        (Node::Token(text), Tree::Null) => text == "None" || text == "Null",
        (Node::Token(text), Tree::Bool(value)) => text.parse() == Ok(*value),
        (Node::Token(text), Tree::Number(number)) => text.parse() == Ok(*number),
        (Node::Token(text), Tree::Uuid(bytes)) => {
            u128::from_str_radix(&text.replace('-', ""), 16) == Ok(u128::from_be_bytes(*bytes))
        }
        (Node::Text(text), Tree::Text(expected)) => text == expected,
        (Node::Bytes(bytes), Tree::Bytes(expected)) => bytes == expected,
        (Node::List(items), Tree::Bytes(expected)) => {
            let byte = |(item, byte): (&Node, &u8)| *item == Node::Token(byte.to_string());
            items.len() == expected.len() && items.iter().zip(expected).all(byte)
        }
        (Node::List(items), Tree::List(expected)) => {
            if items.len() != expected.len() {
                return Err(format!("{} items for {}", items.len(), expected.len()));
            }
            for (place, (item, expected)) in items.iter().zip(expected).enumerate() {
                compare(item, expected).map_err(|error| format!("[{place}]{error}"))?;
            }
            true
        }
        (Node::Struct(_, fields), Tree::Struct(expected)) => {
            for (name, expected) in expected {
                let Some((_, value)) = fields.iter().find(|(field, _)| field == name) else {
                    return Err(format!(".{name} is missing"));
                };
                compare(value, expected).map_err(|error| format!(".{name}{error}"))?;
            }
            true
        }
        _ => false,
    };
    if same { Ok(()) } else { Err(format!(": {node:?} for {tree:?}")) }
}
