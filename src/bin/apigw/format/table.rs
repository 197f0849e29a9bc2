//! Tables: columns side by side, two spaces apart.

use std::cmp::Ordering;

use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use super::projection::{Align, Column};
use super::{python, safe_line};

const GAP: usize = 2;

/// Returns the table of the rows, or an empty text without rows.
pub(crate) fn table(columns: &[Column], rows: &[Vec<Value>], has_heading: bool) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut order: Vec<&Vec<Value>> = rows.iter().collect();
    sort(columns, &mut order);
    let mut lines: Vec<Vec<String>> = order
        .iter()
        .map(|row| {
            row.iter()
                .map(|value| safe_line(&python::text(value)))
                .collect()
        })
        .collect();
    let kept: Vec<bool> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            !column.is_optional || lines.iter().any(|line| !line[index].is_empty())
        })
        .collect();
    if has_heading {
        lines.insert(
            0,
            columns.iter().map(|column| column.label.clone()).collect(),
        );
    }
    let widths: Vec<usize> = (0..columns.len())
        .map(|index| {
            lines
                .iter()
                .map(|line| line[index].width())
                .max()
                .unwrap_or(0)
                .max(columns[index].width)
        })
        .collect();
    let mut out = String::new();
    for line in &lines {
        let mut text = String::new();
        for (index, cell) in line.iter().enumerate().filter(|(index, _)| kept[*index]) {
            if !text.is_empty() || index > 0 && kept[..index].contains(&true) {
                text.push_str(&" ".repeat(GAP));
            }
            text.push_str(&justified(cell, widths[index], columns[index].align));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

fn justified(cell: &str, width: usize, align: Align) -> String {
    let space = width.saturating_sub(cell.width());
    let (left, right) = match align {
        Align::Left => (0, space),
        Align::Right => (space, 0),
        // Like Python's `center`: an extra space is on the left if the width is odd.
        Align::Center => {
            let left = space / 2 + (space & width & 1);
            (left, space - left)
        }
    };
    format!("{}{cell}{}", " ".repeat(left), " ".repeat(right))
}

/// Sorts rows by the columns with `:sort=N`, in ascending order of `N`. Numbers come before text.
fn sort(columns: &[Column], rows: &mut [&Vec<Value>]) {
    let mut keys: Vec<(i64, usize)> = columns
        .iter()
        .enumerate()
        .filter_map(|(index, column)| Some((column.sort?, index)))
        .collect();
    keys.sort_unstable();
    rows.sort_by(|a, b| {
        let compare_column = |(_, index): &(i64, usize)| {
            let order = compare(&a[*index], &b[*index]);
            if columns[*index].is_reversed {
                order.reverse()
            } else {
                order
            }
        };
        keys.iter()
            .map(compare_column)
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    });
}

fn compare(a: &Value, b: &Value) -> Ordering {
    let number = |value: &Value| match value {
        Value::Bool(value) => f64::from(u8::from(*value)),
        value => value.as_f64().unwrap_or(f64::INFINITY),
    };
    let order = number(a).partial_cmp(&number(b)).unwrap_or(Ordering::Equal);
    order.then_with(|| python::text(a).cmp(&python::text(b)))
}
