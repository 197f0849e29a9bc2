//! The variables `${NAME}` in the files of a config.

use std::collections::BTreeMap;

use apigateway_grpc::proto::google::cloud::apigateway::v1::ApiConfig;

use crate::failure::Failure;

/// Parses the value of `--set`.
///
/// # Errors
///
/// If the text is not `NAME=VALUE`, or the name has other characters than letters, digits and `_`.
pub(crate) fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("invalid variable `{text}`: expected NAME=VALUE"))?;
    match !name.is_empty()
        && name
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || char == '_')
    {
        true => Ok((name.to_owned(), value.to_owned())),
        false => Err(format!(
            "invalid name `{name}`: must be letters, digits and `_`"
        )),
    }
}

/// Replaces `${NAME}` in the text files. Without values nothing is replaced.
pub(crate) fn substitute(
    config: &mut ApiConfig,
    values: &[(String, String)],
) -> Result<(), Failure> {
    if values.is_empty() {
        return Ok(());
    }
    let values: BTreeMap<&str, &str> = values
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let documents = config
        .openapi_documents
        .iter_mut()
        .filter_map(|document| document.document.as_mut());
    for file in documents.chain(&mut config.managed_service_configs) {
        let text = String::from_utf8(std::mem::take(&mut file.contents)).map_err(|_| {
            format!(
                "{}: not UTF-8, so --set cannot replace anything in it",
                file.path
            )
        })?;
        file.contents = replaced(&file.path, &text, &values)?.into_bytes();
    }
    Ok(())
}

fn replaced(path: &str, text: &str, values: &BTreeMap<&str, &str>) -> Result<String, Failure> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else {
            break;
        };
        let name = &rest[start + 2..start + length];
        let value = values.get(name).ok_or_else(|| {
            let line = text[..text.len() - rest.len() + start]
                .matches('\n')
                .count()
                + 1;
            format!("{path}:{line}: `${{{name}}}` has no value: set it with --set={name}=VALUE")
        })?;
        out.push_str(&rest[..start]);
        out.push_str(value);
        rest = &rest[start + length + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_and_one_without_a_value_is_an_error() {
        let values = BTreeMap::from([("HOST", "h.example")]);
        assert_eq!(
            replaced("f", "a: ${HOST}\nb: $HOST", &values).expect("valid"),
            "a: h.example\nb: $HOST"
        );
        let error = replaced("f.yaml", "a\nb: ${NONE}", &values).expect_err("no value");
        assert!(
            error
                .to_string()
                .starts_with("f.yaml:2: `${NONE}` has no value"),
            "{error}"
        );
    }
}
