//! The different words of a column, and their order.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::mem;

/// Numbers words as they first come.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    numbers: HashMap<String, usize>,
}

impl Dictionary {
    pub(crate) fn number(&mut self, word: &str) -> usize {
        if let Some(&number) = self.numbers.get(word) {
            return number;
        }
        let number = self.numbers.len();
        self.numbers.insert(word.into(), number);
        number
    }

    /// The words in order, and the position there of each word by its number. They are ordered
    /// by value if all are decimal numbers, and spellings of one number are then one word, the
    /// shortest; otherwise alphabetically.
    pub(crate) fn in_order(self) -> (Vec<String>, Vec<usize>) {
        let count = self.numbers.len();
        let (mut names, mut positions) = (Vec::with_capacity(count), vec![0; count]);
        if !self.numbers.keys().all(|word| Decimal::parse(word).is_some()) {
            let mut words: Vec<(String, usize)> = self.numbers.into_iter().collect();
            words.sort_unstable();
            for (word, number) in words {
                positions[number] = names.len();
                names.push(word);
            }
            return (names, positions);
        }
        let mut words: Vec<(String, usize)> = self.numbers.into_iter().collect();
        let mut order = Vec::with_capacity(count);
        for (index, (word, _)) in words.iter().enumerate() {
            order.extend(Decimal::parse(word).map(|decimal| (decimal, index)));
        }
        order.sort_unstable_by(|a, b| {
            let (one, other) = (&words[a.1].0, &words[b.1].0);
            a.0.cmp(&b.0).then_with(|| (one.len(), one).cmp(&(other.len(), other)))
        });
        let (mut shortest, mut last) = (Vec::new(), None);
        for (decimal, index) in &order {
            if last != Some(decimal) {
                shortest.push(*index);
            }
            positions[words[*index].1] = shortest.len() - 1;
            last = Some(decimal);
        }
        names.extend(shortest.into_iter().map(|index| mem::take(&mut words[index].0)));
        (names, positions)
    }
}

/// A decimal number with all its digits: ±0.`digits` · 10^`exponent`, where `digits` neither
/// starts nor ends with 0, and a point among them does not count.
#[derive(Debug, Clone, Copy)]
struct Decimal<'a> {
    negative: bool,
    exponent: i64,
    digits: &'a str,
}

impl<'a> Decimal<'a> {
    /// The number that `word` is, unless it is none, or a code with leading zeros.
    fn parse(word: &'a str) -> Option<Self> {
        let (negative, unsigned) = match word.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, word.strip_prefix('+').unwrap_or(word)),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_code = whole.len() > 1 && whole.starts_with('0');
        let mut all = whole.bytes().chain(fraction.bytes()).peekable();
        if all.peek().is_none() || is_code || !all.all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = mantissa.trim_start_matches(['0', '.']);
        if digits.is_empty() {
            return Some(Self { negative: false, exponent: 0, digits });
        }
        let before = &mantissa[..mantissa.len() - digits.len()];
        let leading_zeros = before.len() - usize::from(before.contains('.'));
        let exponent = exponent.checked_add(whole.len() as i64 - leading_zeros as i64)?;
        Some(Self { negative, exponent, digits: digits.trim_end_matches(['0', '.']) })
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.digits.bytes().filter(|&byte| byte != b'.')
    }
}

impl Ord for Decimal<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        // −1, 0 or 1.
        let sign = |number: &Self| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (false, negative) => 1 - 2 * i8::from(negative),
        };
        let size = || {
            let by_exponent = self.exponent.cmp(&other.exponent);
            by_exponent.then_with(|| self.digits().cmp(other.digits()))
        };
        sign(self).cmp(&sign(other)).then_with(|| match sign(self) {
            0 => Ordering::Equal,
            1 => size(),
            _ => size().reverse(),
        })
    }
}

impl PartialEq for Decimal<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal<'_> {}

impl PartialOrd for Decimal<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_order(words: &[&str]) -> (Vec<String>, Vec<usize>) {
        let mut dictionary = Dictionary::default();
        let numbers: Vec<usize> = words.iter().map(|word| dictionary.number(word)).collect();
        let (names, positions) = dictionary.in_order();
        (names, numbers.into_iter().map(|number| positions[number]).collect())
    }

    fn names(words: &[&str]) -> Vec<String> {
        in_order(words).0
    }

    #[test]
    fn numbers_keep_all_their_digits() {
        let names = names(&["9007199254740993", "9007199254740992"]);
        assert_eq!(names, ["9007199254740992", "9007199254740993"]);
        assert_eq!(self::names(&["1e400", "-1e400", "2e400"]), ["-1e400", "1e400", "2e400"]);
        assert_eq!(self::names(&["0.1", "0.10000000000000000001"]).len(), 2);
        assert_eq!(self::names(&["1e-400", "0"]), ["0", "1e-400"]);
    }

    #[test]
    fn spellings_of_one_number_are_one_word() {
        let (names, positions) = in_order(&["1.0", "1", "0", "-0", "1e0", "+1", "10e-1"]);
        assert_eq!(names, ["0", "1"]);
        assert_eq!(positions, [1, 1, 0, 0, 1, 1, 1]);
        assert_eq!(self::names(&[".5", "0.5", "-5", "5."]), ["-5", ".5", "5."]);
    }

    #[test]
    fn codes_with_leading_zeros_are_words() {
        assert_eq!(names(&["01", "1", "001"]), ["001", "01", "1"]);
        assert_eq!(names(&["10", "9", "02134"]), ["02134", "10", "9"]);
        assert_eq!(names(&["-01", "-1"]), ["-01", "-1"]);
    }

    #[test]
    fn whatever_is_no_number_makes_the_order_alphabetical() {
        for word in ["b", "nan", "inf", "1e", "e5", ".", "-", "1e99999999999999999999", "0x1F"] {
            let mut expected = vec!["10", "9", word];
            expected.sort_unstable();
            assert_eq!(names(&["9", "10", word]), expected);
        }
    }

    proptest! {
        #[test]
        fn numbers_are_ordered_by_value(values in prop::collection::vec(any::<f64>(), 1..20)) {
            let mut values: Vec<f64> = values.into_iter().filter(|x| x.is_finite()).collect();
            let words: Vec<String> = values.iter().map(|x| format!("{x:e}")).collect();
            let sorted = names(&words.iter().map(String::as_str).collect::<Vec<_>>());
            values.sort_by(f64::total_cmp);
            values.dedup();
            let parsed: Vec<f64> = sorted.iter().map(|word| word.parse().unwrap()).collect();
            prop_assert_eq!(parsed, values);
        }
    }
}
