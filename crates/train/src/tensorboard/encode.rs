//! The bytes of event files: records that frame messages of protocol buffers.
//!
//! Of the [wire format](https://protobuf.dev/programming-guides/encoding/) little is needed, so
//! it is written here rather than generated from `event.proto` and `summary.proto`, whose field
//! numbers these are.

use crc::{CRC_32_ISCSI, Crc};

use crate::graph::{Graph, Node, NodeKind};
use crate::history::Histogram;

/// CRC-32C, by Castagnoli's polynomial.
pub(super) const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// TensorFlow's record: the length, the length's checksum, the bytes, their checksum.
pub(super) fn record(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(message.len() + 16);
    record.extend(length);
    record.extend(masked_checksum(&length).to_le_bytes());
    record.extend(message);
    record.extend(masked_checksum(message).to_le_bytes());
    record
}

/// A checksum is rotated and shifted, because that of bytes that hold their own checksum is of
/// little use.
pub(super) fn masked_checksum(bytes: &[u8]) -> u32 {
    CHECKSUM.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// One entry of an event file.
pub(super) struct Event<'a> {
    /// Seconds since 1970.
    pub(super) wall_time: f64,
    pub(super) step: usize,
    pub(super) what: What<'a>,
}

pub(super) enum What<'a> {
    /// What every file begins with.
    FileVersion,
    /// A run that goes on: what an earlier file has from this step on is void.
    Start,
    Scalar {
        tag: &'a str,
        value: f64,
    },
    Histogram {
        tag: &'a str,
        histogram: &'a Histogram,
    },
    Image {
        tag: &'a str,
        /// A PNG file.
        png: &'a [u8],
        size: [usize; 2],
    },
    Text {
        tag: &'a str,
        text: &'a str,
    },
    Graph(&'a Graph),
}

impl Event<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut event = Message::default();
        event.double(1, self.wall_time);
        event.integer(2, self.step as u64);
        match &self.what {
            What::FileVersion => event.bytes(3, b"brain.Event:2"),
            What::Start => {
                let mut session_log = Message::default();
                session_log.integer(1, 1);
                event.bytes(7, &session_log.0);
            }
            What::Scalar { tag, value } => {
                let mut summary_value = Message::default();
                summary_value.bytes(1, tag.as_bytes());
                summary_value.float(2, *value as f32);
                event.summary(&summary_value);
            }
            What::Histogram { tag, histogram } => {
                let mut summary_value = Message::default();
                summary_value.bytes(1, tag.as_bytes());
                summary_value.bytes(5, &histogram_proto(histogram).0);
                event.summary(&summary_value);
            }
            What::Image { tag, png, size: [height, width] } => {
                let mut image = Message::default();
                image.integer(1, *height as u64);
                image.integer(2, *width as u64);
                // Grey.
                image.integer(3, 1);
                image.bytes(4, png);
                let mut summary_value = Message::default();
                summary_value.bytes(1, tag.as_bytes());
                summary_value.bytes(4, &image.0);
                event.summary(&summary_value);
            }
            What::Text { tag, text } => {
                let mut plugin = Message::default();
                plugin.bytes(1, b"text");
                let mut metadata = Message::default();
                metadata.bytes(1, &plugin.0);
                // A tensor of one string.
                let mut tensor = Message::default();
                tensor.integer(1, 7);
                tensor.bytes(2, &[]);
                tensor.bytes(8, text.as_bytes());
                let mut summary_value = Message::default();
                summary_value.bytes(1, tag.as_bytes());
                summary_value.bytes(8, &tensor.0);
                summary_value.bytes(9, &metadata.0);
                event.summary(&summary_value);
            }
            What::Graph(graph) => event.bytes(4, &graph_def(graph).0),
        }
        event.0
    }
}

fn histogram_proto(histogram: &Histogram) -> Message {
    let mut message = Message::default();
    message.double(1, histogram.min());
    message.double(2, histogram.max());
    message.double(3, histogram.count() as f64);
    message.double(4, histogram.sum());
    message.double(5, histogram.sum_of_squares());
    let counts = histogram.counts();
    message.doubles(6, (1..=counts.len()).map(|bin| histogram.edge(bin)));
    message.doubles(7, counts.iter().map(|&count| count as f64));
    message
}

/// A graph, as `graph.proto` and `node_def.proto` describe it.
fn graph_def(graph: &Graph) -> Message {
    // Names are unique, and made of few characters.
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let named = |index: usize, node: &Node| {
        let name: String = node.name.chars().map(plain).collect();
        format!("{}.{index}", name.trim_start_matches(['.', '_', '-']))
    };
    let nodes = graph.nodes();
    let names: Vec<String> =
        nodes.iter().enumerate().map(|(index, node)| named(index, node)).collect();
    let mut definition = Message::default();
    for (index, node) in nodes.iter().enumerate() {
        let kind = match node.kind {
            NodeKind::Parameter => "Parameter",
            NodeKind::Constant => "Constant",
            NodeKind::Operation => node.name.rsplit(' ').next().unwrap_or_default(),
            NodeKind::Omitted => "Omitted",
        };
        let mut message = Message::default();
        message.bytes(1, names[index].as_bytes());
        message.bytes(2, kind.as_bytes());
        for (from, _) in graph.edges().iter().filter(|(_, to)| *to == index) {
            message.bytes(3, names[*from].as_bytes());
        }
        for (name, value) in &node.options {
            let (mut attribute, mut text) = (Message::default(), Message::default());
            text.bytes(2, value.as_bytes());
            attribute.bytes(1, name.as_bytes());
            attribute.bytes(2, &text.0);
            message.bytes(5, &attribute.0);
        }
        definition.bytes(1, &message.0);
    }
    definition
}

/// A message of protocol buffers: its fields, each after its number and kind.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    const VARINT: u64 = 0;
    const FIXED_64: u64 = 1;
    const LENGTH: u64 = 2;
    const FIXED_32: u64 = 5;

    /// A whole number in groups of seven bits, the lowest first, each but the last marked.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u64, kind: u64) {
        self.varint(field << 3 | kind);
    }

    fn integer(&mut self, field: u64, value: u64) {
        self.key(field, Self::VARINT);
        self.varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.key(field, Self::FIXED_64);
        self.0.extend(value.to_le_bytes());
    }

    fn float(&mut self, field: u64, value: f32) {
        self.key(field, Self::FIXED_32);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, Self::LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    /// A repeated field, packed.
    fn doubles(&mut self, field: u64, values: impl Iterator<Item = f64>) {
        let packed: Vec<u8> = values.flat_map(f64::to_le_bytes).collect();
        self.bytes(field, &packed);
    }

    /// A summary of one value, as an event's.
    fn summary(&mut self, value: &Message) {
        let mut summary = Message::default();
        summary.bytes(1, &value.0);
        self.bytes(5, &summary.0);
    }
}
