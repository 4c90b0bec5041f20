//! The bytes of event files: records that frame messages of protocol buffers.
//!
//! Of the [wire format](https://protobuf.dev/programming-guides/encoding/) little is needed, so
//! it is written here rather than generated from `event.proto` and `summary.proto`, whose field
//! numbers these are.

use crc::{CRC_32_ISCSI, Crc};

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
    Scalar {
        tag: &'a str,
        value: f64,
    },
    Histogram {
        tag: &'a str,
        histogram: &'a Histogram,
    },
}

impl Event<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut event = Message::default();
        event.double(1, self.wall_time);
        event.integer(2, self.step as u64);
        match &self.what {
            What::FileVersion => event.bytes(3, b"brain.Event:2"),
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
