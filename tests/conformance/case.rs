//! A row of a table: the input, the expected result, and the source of the expectation.

use std::borrow::Cow;

use apigateway_grpc::transcode::JsonOptions;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};

use crate::fixture::{
    decode, descriptor, message, oracle_read, parsed, read, read_wire, same, strict, write,
};
use crate::not_yet;

type Text = Cow<'static, str>;

/// The source of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Required of every implementation by the protobuf project.
    Required,
    /// Recommended by the protobuf project.
    Recommended {
        /// The reason why the engine does not do this; `None` if it does.
        but: Option<&'static str>,
    },
    /// Our own.
    Ours,
}

#[derive(Clone, Debug)]
enum Claim {
    /// The JSON is read as the message, and the message is written as JSON that is read as the same message.
    Read { json: Text, message: Text },
    /// The same, with unknown names ignored.
    Lenient { json: Text, message: Text },
    /// The JSON is refused.
    Refused { json: Text },
    /// The JSON is refused even if unknown names are ignored.
    RefusedAlways { json: Vec<u8> },
    /// The JSON is read and written as the other JSON.
    Rewritten { json: Text, output: Text },
    /// The wire bytes are written as the JSON of the message.
    Decoded { wire: Vec<u8>, message: Text },
    /// The message has no JSON form.
    Unwritable { message: Text },
    /// The wire bytes are malformed.
    Broken { wire: Vec<u8> },
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) level: Level,
    of: &'static str,
    claim: Claim,
}

pub(crate) fn reads(name: &'static str, json: impl Into<Text>, message: impl Into<Text>) -> Case {
    Case::new(
        name,
        Claim::Read {
            json: json.into(),
            message: message.into(),
        },
    )
}

pub(crate) fn reads_leniently(
    name: &'static str,
    json: impl Into<Text>,
    message: impl Into<Text>,
) -> Case {
    Case::new(
        name,
        Claim::Lenient {
            json: json.into(),
            message: message.into(),
        },
    )
}

pub(crate) fn refuses(name: &'static str, json: impl Into<Text>) -> Case {
    Case::new(name, Claim::Refused { json: json.into() })
}

pub(crate) fn refuses_always(name: &'static str, json: impl AsRef<[u8]>) -> Case {
    Case::new(
        name,
        Claim::RefusedAlways {
            json: json.as_ref().to_vec(),
        },
    )
}

pub(crate) fn rewrites(name: &'static str, json: impl Into<Text>, output: impl Into<Text>) -> Case {
    Case::new(
        name,
        Claim::Rewritten {
            json: json.into(),
            output: output.into(),
        },
    )
}

pub(crate) fn decodes(
    name: &'static str,
    wire: impl AsRef<[u8]>,
    message: impl Into<Text>,
) -> Case {
    Case::new(
        name,
        Claim::Decoded {
            wire: wire.as_ref().to_vec(),
            message: message.into(),
        },
    )
}

pub(crate) fn cannot_write(name: &'static str, message: &'static str) -> Case {
    Case::new(
        name,
        Claim::Unwritable {
            message: message.into(),
        },
    )
}

pub(crate) fn breaks(name: &'static str, wire: impl AsRef<[u8]>) -> Case {
    Case::new(
        name,
        Claim::Broken {
            wire: wire.as_ref().to_vec(),
        },
    )
}

impl Case {
    fn new(name: &'static str, claim: Claim) -> Self {
        Self {
            name,
            level: Level::Required,
            of: "Kinds",
            claim,
        }
    }

    /// Sets another message than `Kinds`.
    pub(crate) fn of(self, of: &'static str) -> Self {
        Self { of, ..self }
    }

    pub(crate) fn recommended(self) -> Self {
        Self {
            level: Level::Recommended { but: None },
            ..self
        }
    }

    /// Marks a recommended row that the engine does not fulfil.
    pub(crate) fn recommended_but(self, why: &'static str) -> Self {
        Self {
            level: Level::Recommended { but: Some(why) },
            ..self
        }
    }

    pub(crate) fn ours(self) -> Self {
        Self {
            level: Level::Ours,
            ..self
        }
    }

    /// Returns whether the row is listed as one that the engine does not fulfil.
    fn excused(&self) -> bool {
        matches!(self.level, Level::Recommended { but: Some(_) }) || not_yet(self.name)
    }

    fn run(&self) -> Result<(), String> {
        let of = descriptor(self.of);
        match &self.claim {
            Claim::Read {
                json,
                message: text,
            } => reads_as(&of, json, text, strict()),
            Claim::Lenient {
                json,
                message: text,
            } => reads_as(&of, json, text, JsonOptions::default()),
            Claim::Refused { json } => refused(&of, json.as_bytes(), strict()),
            Claim::RefusedAlways { json } => {
                refused(&of, json, strict())?;
                refused(&of, json, JsonOptions::default())
            }
            Claim::Rewritten { json, output } => {
                let rewritten = write(&of, &read_wire(&of, json.as_bytes(), strict())?)?;
                same_json(&parsed(&rewritten)?, &parsed(output)?)
            }
            Claim::Decoded {
                wire,
                message: text,
            } => {
                let wanted = message(&of, text);
                // Check that the row itself is right.
                same_message(&decode(&of, wire)?, &wanted).expect(self.name);
                same_message(&oracle_read(&of, &write(&of, wire)?)?, &wanted)
            }
            Claim::Unwritable { message: text } => {
                match write(&of, &message(&of, text).encode_to_vec()) {
                    Ok(json) => Err(format!("written as {json}")),
                    Err(_) => Ok(()),
                }
            }
            Claim::Broken { wire } => match write(&of, wire) {
                Ok(json) => Err(format!("written as {json}")),
                Err(_) => Ok(()),
            },
        }
    }
}

fn refused(of: &MessageDescriptor, json: &[u8], options: JsonOptions) -> Result<(), String> {
    match read(of, json, options) {
        Ok(message) => Err(format!("read as {{{message}}}")),
        Err(_) => Ok(()),
    }
}

fn reads_as(
    of: &MessageDescriptor,
    json: &str,
    text: &str,
    options: JsonOptions,
) -> Result<(), String> {
    let wanted = message(of, text);
    same_message(&read(of, json.as_bytes(), options)?, &wanted)?;
    let output = write(of, &wanted.encode_to_vec())?;
    same_message(&read(of, output.as_bytes(), strict())?, &wanted)?;
    match oracle_read(of, &output) {
        Ok(message) => same_message(&message, &wanted),
        // The oracle does not read an empty Any, which the suite requires.
        Err(why) if why.contains("expected '@type' field") => Ok(()),
        Err(why) => Err(format!("{why}: {output}")),
    }
}

fn same_message(read: &DynamicMessage, wanted: &DynamicMessage) -> Result<(), String> {
    if same(read, wanted) {
        Ok(())
    } else {
        Err(format!("{{{read}}} instead of {{{wanted}}}"))
    }
}

fn same_json(found: &serde_json::Value, wanted: &serde_json::Value) -> Result<(), String> {
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{found} instead of {wanted}"))
    }
}

/// Runs a table. Every row must pass, and every row that is listed as an exception must fail.
pub(crate) fn run_all(cases: &[Case]) {
    let mut faults = Vec::new();
    for case in cases {
        match (case.run(), case.excused()) {
            (Err(why), false) => faults.push(format!("{}: {why}", case.name)),
            (Ok(()), true) => faults.push(format!(
                "{}: the row passes: remove the exception",
                case.name
            )),
            _ => {}
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
