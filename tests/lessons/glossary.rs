//! No word of the glossary is used before it is defined.

use std::collections::BTreeSet;
use std::fs;

use super::course::{CHINESE, ENGLISH, lessons};

/// The lessons that belong together. What they define is known in all others, which can be taken in
/// any order.
const FIRST: usize = 6;

/// The words that a glossary defines, the longest first, each with its entry's anchor.
fn words(folder: &str) -> Vec<(String, String)> {
    let glossary = fs::read_to_string(format!("{folder}/glossary.md")).unwrap().to_lowercase();
    let mut words = Vec::new();
    for entry in glossary.split("\n- <a id=\"").skip(1) {
        let (anchor, text) = entry.split_once('"').unwrap();
        let text = text.replace('\n', " ");
        words.extend(
            text.split("**").skip(1).step_by(2).map(|word| (word.to_owned(), anchor.to_owned())),
        );
    }
    words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
    words
}

/// What is to be read as a sentence: no code, formulas, headings and pictures, nor what leads to the
/// next lesson.
fn prose(page: &str, joint: &str) -> String {
    let mut text = page.to_lowercase();
    for (start, end) in [("```", "```"), ("<code>", "</code>"), ("`", "`"), ("![", ")")] {
        while let Some(from) = text.find(start) {
            let inside = from + start.len();
            let to = inside + text[inside..].find(end).expect("what begins ends") + end.len();
            text.replace_range(from..to, "");
        }
    }
    let is_prose = |line: &&str| {
        let other = ["#", "    ", "next: ", "下一课"].iter().any(|start| line.starts_with(start));
        let question = line.starts_with('*') && line.ends_with('*') && !line.starts_with("**");
        !(other || question)
    };
    text.lines().filter(is_prose).map(str::trim).collect::<Vec<_>>().join(joint)
}

/// The words that a page uses before it links their entries, which are added to what is known.
fn used_too_early(
    text: &str,
    words: &[(String, String)],
    known: &mut BTreeSet<String>,
) -> Vec<String> {
    let mut early = Vec::new();
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        if let Some(target) = rest.strip_prefix("](") {
            let (target, after) = target.split_once(')').expect("a link ends");
            known.extend(target.strip_prefix("glossary.md#").map(str::to_owned));
            (rest, before) = (after, ' ');
            continue;
        }
        // Words of an alphabet have ends.
        let goes_on = |c: char| c.is_ascii_alphabetic();
        let ends = |after: &str| {
            let after = after.strip_prefix("es").or(after.strip_prefix('s')).unwrap_or(after);
            !after.starts_with(goes_on)
        };
        let found = words.iter().find_map(|(word, anchor)| {
            let after = rest.strip_prefix(word.as_str())?;
            let whole = !word.ends_with(goes_on) || ends(after);
            (whole && !(word.starts_with(goes_on) && goes_on(before)))
                .then_some((word, anchor, after))
        });
        let Some((word, anchor, after)) = found else {
            (rest, before) = (&rest[c.len_utf8()..], c);
            continue;
        };
        let linked = after.split_once("](").is_some_and(|(between, target)| {
            !between.contains('[') && target.starts_with(&format!("glossary.md#{anchor})"))
        });
        if !linked && !known.contains(anchor) && !early.contains(word) {
            early.push(word.clone());
        }
        (rest, before) = (after, ' ');
    }
    early
}

#[test]
fn every_word_of_the_glossary_is_linked_where_it_is_first_used() {
    for (folder, joint) in [(ENGLISH, " "), (CHINESE, "")] {
        let words = words(folder);
        assert!(words.len() > 60, "{folder}: {} words", words.len());
        let mut common = BTreeSet::new();
        for (index, (name, page)) in lessons(folder).into_iter().enumerate() {
            let mut known = common.clone();
            let early = used_too_early(&prose(&page, joint), &words, &mut known);
            assert!(early.is_empty(), "{folder}/{name} uses {early:?} before it links them");
            if index < FIRST {
                common = known;
            }
        }
    }
}

#[test]
fn every_entry_of_the_glossary_is_linked_from_a_lesson_and_in_both_languages() {
    let anchors =
        |folder| words(folder).into_iter().map(|(_, anchor)| anchor).collect::<BTreeSet<_>>();
    assert_eq!(anchors(ENGLISH), anchors(CHINESE));
    let pages: String = lessons(ENGLISH).into_values().collect();
    for anchor in anchors(ENGLISH) {
        assert!(pages.contains(&format!("(glossary.md#{anchor})")), "no lesson uses {anchor}");
    }
}

#[test]
fn a_word_is_found_before_its_link_and_not_in_code_or_in_a_longer_word() {
    let words = [("weight decay", "decay"), ("weight", "weight"), ("loss", "loss")];
    let words = words.map(|(word, anchor)| (word.to_owned(), anchor.to_owned()));
    let early = |page: &str| used_too_early(&prose(page, " "), &words, &mut BTreeSet::new());
    assert_eq!(early("# Loss\n\nA `loss`, glossy: the [loss](glossary.md#loss) is small"), [""; 0]);
    assert_eq!(early("Losses fall. The [loss](glossary.md#loss) is small."), ["loss"]);
    assert_eq!(early("Weight\ndecay and [weights](glossary.md#weight)"), ["weight decay"]);
    assert_eq!(early("[Weight decay](05.md)"), ["weight decay"]);
}
