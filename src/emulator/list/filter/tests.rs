//! Tables of filters, and random filters.

use std::collections::HashMap;

use proptest::prelude::*;
use prost_types::Timestamp;
use tonic_types::StatusExt as _;

use super::*;
use crate::emulator::list::field::FieldType;
use crate::emulator::list::field::FieldValue;

struct Item {
    labels: HashMap<String, String>,
}

impl Fields for Item {
    const FIELDS: &'static [(&'static str, FieldType)] = &[
        ("name", FieldType::Text),
        ("display_name", FieldType::Text),
        ("empty", FieldType::Text),
        ("labels", FieldType::Map),
        ("nothing", FieldType::Map),
        ("done", FieldType::Flag),
        ("state", FieldType::Enum(name)),
        ("create_time", FieldType::Time),
        ("end_time", FieldType::Time),
        ("metadata", FieldType::Message),
        ("metadata.target", FieldType::Text),
        ("error", FieldType::Message),
        ("error.code", FieldType::Number),
        ("size", FieldType::Number),
    ];

    fn value(&self, path: &str) -> FieldValue<'_> {
        match path {
            "name" => FieldValue::text("projects/p/apis/first"),
            "display_name" => FieldValue::text("The \"first\" one"),
            "empty" => FieldValue::text(""),
            "labels" => FieldValue::Map(&self.labels),
            "done" => FieldValue::Flag(true),
            "state" => FieldValue::Number(2),
            "create_time" => FieldValue::Time(Timestamp {
                seconds: 1_000_000_000,
                nanos: 5,
            }),
            "metadata" => FieldValue::Message,
            "metadata.target" => FieldValue::text("a*b"),
            "size" => FieldValue::Number(-7),
            _ => FieldValue::Unset,
        }
    }
}

fn name(number: i32) -> Option<&'static str> {
    let number = usize::try_from(number).ok()?;
    ["NONE", "CREATING", "ACTIVE"].get(number).copied()
}

fn item() -> Item {
    let labels = [("team", "core"), ("Env", ""), ("a.b", "dots")];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Item {
        labels: labels.into(),
    }
}

#[track_caller]
fn check(table: &[(&str, bool)]) {
    let item = item();
    for (filter, expected) in table {
        let read =
            Filter::parse::<Item>(filter).unwrap_or_else(|status| panic!("{filter}: {status}"));
        assert_eq!(read.matches(&item), *expected, "{filter}");
    }
}

#[test]
fn or_binds_tighter_than_and_even_if_the_and_is_implied() {
    // 1 stands for a true condition, 0 for a false one.
    let shaped = |shape: &str| {
        shape
            .replace('1', "done = true")
            .replace('0', "done = false")
    };
    for (shape, expected) in [
        ("1 AND 1", true),
        ("1 AND 0", false),
        ("1 OR 0", true),
        ("0 OR 0", false),
        // Parsed as `0 AND (0 OR 1)`. With the usual precedence the result would be true.
        ("0 AND 0 OR 1", false),
        ("1 OR 0 AND 0", false),
        ("(0 AND 0) OR 1", true),
        ("0 0 OR 1", false),
        ("1 0 OR 1", true),
        ("1 1 AND 0", false),
        ("1  1", true),
        ("NOT 0", true),
        ("NOT 1 OR 1", true),
        ("NOT (1 OR 1)", false),
        ("NOT(0)", true),
        ("-0", true),
        ("-(1 AND 0) AND(1)", true),
        ("NOT NOT 1", true),
        (" ( ( 1 ) ) ", true),
        ("", true),
        (" \t\n", true),
    ] {
        check(&[(&shaped(shape), expected)]);
    }
}

#[test]
fn each_type_of_field_has_its_own_comparisons() {
    check(&[
        ("name = projects/p/apis/first", true),
        ("name=\"projects/p/apis/first\"", true),
        ("name != 'projects/p/apis/first'", false),
        ("name = \"*first\"", true),
        ("name = projects/*", true),
        ("name = *p/apis*", true),
        ("name = *p", false),
        ("name != projects/*", false),
        ("name = *", true),
        ("name:apis", true),
        ("name:other", false),
        ("name:projects*", true),
        ("name:apis*", false),
        ("name < q", true),
        ("name >= q", false),
        ("empty:*", false),
        ("empty = ''", true),
        ("name:*", true),
        ("displayName = \"The \\\"first\\\" one\"", true),
        ("display_name = 'The \"first\" one'", true),
        ("metadata.target = 'a*b'", true),
        ("metadata.target = 'a\\*b'", true),
        ("metadata.target = '\\*b'", false),
        ("metadata.target = '*b'", true),
        ("metadata.target = 'a\\*'", false),
        ("labels:team", true),
        ("labels:core", false),
        ("labels.team:*", true),
        ("labels.Env:*", true),
        ("labels.other:*", false),
        ("labels:*", true),
        ("nothing:*", false),
        ("nothing:team", false),
        ("labels.team = core", true),
        ("labels.team:core", true),
        ("labels.team:or", false),
        ("labels.team:*or*", true),
        ("labels.team != other", true),
        ("labels.a.b = dots", true),
        ("labels.\"a.b\" = dots", true),
        ("labels.'team' = core", true),
        ("labels.AND = core", false),
        ("labels.NOT:*", false),
        ("metadata.target:b", false),
        ("metadata.target:'*b'", true),
        // Any comparison with an unset field is false; only its negation is true.
        ("labels.other != core", false),
        ("NOT labels.other = core", true),
        ("labels.env = ''", false),
        ("end_time < \"2100-01-01T00:00:00Z\"", false),
        ("end_time != \"2100-01-01T00:00:00Z\"", false),
        ("error.code != 5", false),
        ("error:*", false),
        ("metadata:*", true),
        ("done = true", true),
        ("done != true", false),
        ("done:false", false),
        ("done:*", true),
        ("state = ACTIVE", true),
        ("state:ACTIVE", true),
        ("state:CREATING", false),
        ("state != CREATING", true),
        ("state = (CREATING OR ACTIVE)", true),
        ("state = (CREATING OR NONE)", false),
        ("labels.team:(core AND NOT xx)", true),
        ("size = -7", true),
        ("size < -6.5", true),
        ("size > -7", false),
        ("createTime > \"2001-09-09T01:46:40Z\"", true),
        ("create_time > 2001-09-09T01:46:40Z", true),
        ("create_time <= \"2001-09-09T01:46:40.000000004Z\"", false),
        (
            "create_time = \"2001-09-08T18:16:40.000000005-07:30\"",
            true,
        ),
        ("create_time < \"2001-09-09T03:46:40+02:00\"", false),
        ("create_time < 2001-09-10T00:00:00Z", true),
        ("create_time < 2001-09-10t00:00:00.5z", true),
        ("create_time:*", true),
        ("end_time:*", false),
    ]);
}

#[test]
fn a_word_is_searched_for_in_the_names() {
    check(&[
        ("first", true),
        ("\"apis/first\"", true),
        ("apis/first", true),
        ("The one", true),
        ("firs*", true),
        ("core", false),
        ("first -core", true),
        ("first - core", false),
        ("first AND core OR one", true),
        ("state", false),
        ("2.5", false),
        ("and", false),
    ]);
}

#[test]
fn an_invalid_filter_is_rejected_with_its_position() {
    let deep = "(".repeat(60) + "first";
    let minuses = "-".repeat(60) + "first";
    let long = "first ".repeat(2000);
    for (filter, position, part) in [
        ("= a", 1, "expected"),
        ("state =", 8, "expected"),
        ("state = AND", 9, "expected"),
        ("state == ACTIVE", 8, "expected"),
        ("first AND", 10, "expected"),
        ("OR first", 1, "expected"),
        ("first OR OR one", 10, "expected"),
        ("NOT", 4, "expected"),
        (
            "é AND state = X",
            15,
            "`state` must be one of CREATING, ACTIVE, not `X`",
        ),
        ("(first", 1, "unclosed"),
        ("first)", 6, "unexpected"),
        ("()", 2, "expected"),
        ("state = \"ACTIVE", 9, "unclosed"),
        ("name = \"a\"b", 11, "unexpected"),
        ("name = 'a\\", 8, "unclosed"),
        ("lower(name) = a", 1, "functions"),
        ("name = lower(a)", 8, "functions"),
        ("first,one", 6, "unexpected"),
        ("a..b = c", 3, "expected"),
        ("labels. = c", 8, "expected"),
        (
            "nonsense = 1",
            1,
            "unknown field `nonsense`: must be one of name, ",
        ),
        ("first AND name.x = 1", 11, "unknown field `name.x`"),
        (
            "state = NONSENSE",
            9,
            "must be one of CREATING, ACTIVE, not",
        ),
        ("state = active", 9, "must be one of CREATING, ACTIVE, not"),
        ("state = 2", 9, "must be one of CREATING, ACTIVE, not"),
        ("state = 99", 9, "must be one of CREATING, ACTIVE, not"),
        ("state < ACTIVE", 9, "no order"),
        ("done = yes", 8, "`true` or `false`"),
        ("done = True", 8, "`true` or `false`"),
        ("done > false", 8, "no order"),
        ("create_time > yesterday", 15, "RFC 3339"),
        ("create_time > 2001-09-10", 15, "RFC 3339"),
        ("create_time > 2001-09-10T01:02:03", 15, "RFC 3339"),
        ("create_time > '2001-09-10 01:02:03Z'", 15, "RFC 3339"),
        ("create_time > 2001-09-10T01:02Z", 15, "RFC 3339"),
        ("create_time = \"2001-13-01T00:00:00Z\"", 15, "RFC 3339"),
        ("create_time = +99999999999-01-01", 15, "RFC 3339"),
        ("create_time:2001-01-01", 13, "is a time"),
        ("size = big", 8, "must be a number"),
        ("size = NaN", 8, "must be a number"),
        ("labels = team", 10, "is a map"),
        ("metadata = x", 12, "is a message"),
        ("metadata:x", 10, "is a message"),
        ("state = (name = x)", 10, "only values"),
        (deep.as_str(), 52, "levels of nesting"),
        (minuses.as_str(), 52, "levels of nesting"),
        (long.as_str(), 8193, "at most"),
    ] {
        let refused = Filter::parse::<Item>(filter).expect_err(filter);
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        let details = refused.get_details_bad_request().expect("details");
        let violation = &details.field_violations[0];
        assert_eq!(violation.field, "filter");
        let why = &violation.description;
        let expected = format!("at position {position}: ");
        assert!(why.starts_with(&expected), "{filter}: {why}");
        assert!(why.contains(part), "{filter}: {why}");
    }
}

#[test]
fn a_required_flag_is_known_only_if_no_other_value_can_match() {
    for (filter, expected) in [
        ("done = true", Some(true)),
        ("done:false", Some(false)),
        ("done != true", Some(false)),
        ("name:a AND done=false", Some(false)),
        ("name:a done=false", Some(false)),
        ("(name:a AND (done=false))", Some(false)),
        ("done = false OR name:a", None),
        ("NOT done = true", None),
        ("done:*", None),
        ("name:a", None),
        ("", None),
    ] {
        let read = Filter::parse::<Item>(filter).expect(filter);
        assert_eq!(read.required_flag("done"), expected, "{filter}");
    }
}

/// A random expression with known leaves.
#[derive(Clone, Debug)]
enum Meaning {
    Leaf(bool, u8),
    Not(Box<Self>, bool),
    Or(Vec<Self>),
    And(Vec<Self>, bool),
}

impl Meaning {
    fn holds(&self) -> bool {
        match self {
            Self::Leaf(holds, _) => *holds,
            Self::Not(part, _) => !part.holds(),
            Self::Or(parts) => parts.iter().any(Self::holds),
            Self::And(parts, _) => parts.iter().all(Self::holds),
        }
    }

    /// Prints the expression with as few parentheses as the precedence allows.
    fn print(&self) -> String {
        let within = |part: &Self, bare: bool| match bare {
            true => part.print(),
            false => format!("({})", part.print()),
        };
        match self {
            Self::Leaf(true, 0) => "done = true".into(),
            Self::Leaf(true, 1) => "state=ACTIVE".into(),
            Self::Leaf(true, 2) => "labels.team : \"core\"".into(),
            Self::Leaf(true, _) => "first".into(),
            Self::Leaf(false, 0) => "done=false".into(),
            Self::Leaf(false, 1) => "state != ACTIVE".into(),
            Self::Leaf(false, 2) => "labels.other = 'AND'".into(),
            Self::Leaf(false, _) => "\"NOT there\"".into(),
            Self::Not(part, minus) => {
                let sign = if *minus { "-" } else { "NOT " };
                let bare = matches!(**part, Self::Leaf(..) | Self::Not(..));
                format!("{sign}{}", within(part, bare))
            }
            Self::Or(parts) => {
                let bare = |part: &Self| matches!(part, Self::Leaf(..) | Self::Not(..));
                let parts = parts.iter().map(|part| within(part, bare(part)));
                parts.collect::<Vec<_>>().join(" OR ")
            }
            Self::And(parts, spelled) => {
                let bare = |part: &Self| !matches!(part, Self::And(..));
                let parts = parts.iter().map(|part| within(part, bare(part)));
                let join = if *spelled { " AND " } else { " " };
                parts.collect::<Vec<_>>().join(join)
            }
        }
    }
}

fn meanings() -> impl Strategy<Value = Meaning> {
    let leaf = (any::<bool>(), 0..4_u8).prop_map(|(holds, form)| Meaning::Leaf(holds, form));
    leaf.prop_recursive(5, 40, 4, |part| {
        let parts = prop::collection::vec(part.clone(), 2..4);
        prop_oneof![
            (part, any::<bool>()).prop_map(|(part, minus)| Meaning::Not(Box::new(part), minus)),
            parts.clone().prop_map(Meaning::Or),
            (parts, any::<bool>()).prop_map(|(parts, spelled)| Meaning::And(parts, spelled)),
        ]
    })
}

proptest! {
    #[test]
    fn a_printed_expression_keeps_its_meaning(meaning in meanings()) {
        let text = meaning.print();
        let read = Filter::parse::<Item>(&text);
        let read = read.map_err(|status| TestCaseError::fail(format!("{text}: {status}")))?;
        prop_assert_eq!(read.matches(&item()), meaning.holds(), "{}", text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,60}") {
        let _ = Filter::parse::<Item>(&text).map(|read| read.matches(&item()));
    }

    #[test]
    fn no_sequence_of_filter_tokens_makes_the_parser_panic(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                " ", "AND", "OR", "NOT", "-", "(", ")", "=", "!=", "<", ":", "*", "\"", "'", "\\",
                ".", ",", "name", "labels", "done", "true", "create_time", "2001-01-01T", "é", "7",
            ]),
            0..24,
        )
    ) {
        let _ = Filter::parse::<Item>(&parts.concat()).map(|read| read.matches(&item()));
    }
}
