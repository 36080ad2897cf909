//! JSON schemas of wire types, as the contract reads: a field that may be left out is absent, never null.

use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// Fields that may be null, as `Type.field`: the contract says so of these alone.
const MAY_BE_NULL: &[&str] = &["MakeHandle.name"];

/// The schemas of `T` and of everything it names, by name.
pub fn of<T: ToSchema>() -> Map<String, Value> {
    let mut found: Vec<(String, RefOr<Schema>)> = Vec::new();
    T::schemas(&mut found);
    found.push((T::name().into_owned(), T::schema()));
    let mut schemas: Vec<(String, Value)> = found
        .into_iter()
        .map(|(name, schema)| {
            let schema = serde_json::to_value(schema).expect("a schema is JSON");
            (name, schema)
        })
        .collect();
    schemas.sort_by(|a, b| a.0.cmp(&b.0));
    let mut by_name: Map<String, Value> = schemas.into_iter().collect();
    never_null(&mut by_name);
    by_name
}

/// Takes null from the fields that may be left out.
pub fn never_null(by_name: &mut Map<String, Value>) {
    for (name, schema) in by_name {
        walk(name, schema);
    }
}

fn walk(name: &str, schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| walk(name, item)),
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get_mut("properties") {
                for (field, property) in properties {
                    if !MAY_BE_NULL.contains(&format!("{name}.{field}").as_str()) {
                        without_null(property);
                    }
                }
            }
            object.values_mut().for_each(|value| walk(name, value));
        }
        _ => {}
    }
}

fn without_null(property: &mut Value) {
    let Value::Object(object) = property else {
        return;
    };
    if let Some(Value::Array(kinds)) = object.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = &kinds[..] {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("oneOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
        if let [only] = &choices[..] {
            *property = only.clone();
        }
    }
}

/// What is wrong with a value by its schema, and which fields it had and had not, as `schema.field`.
#[derive(Default)]
pub struct Seen {
    /// What does not fit.
    pub wrong: Vec<String>,
    /// Fields that may be left out and were there.
    pub present: std::collections::BTreeSet<String>,
    /// Fields that may be left out and were.
    pub absent: std::collections::BTreeSet<String>,
}

/// Reads a value by a schema. Just what the wire's schemas use of JSON Schema: `$ref`, `allOf`, `oneOf`, `enum`,
/// `type`, `items`, `properties`, `required`.
pub fn read(
    by_name: &Map<String, Value>,
    place: &str,
    schema: &Value,
    value: &Value,
    seen: &mut Seen,
) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().expect("a name");
        match by_name.get(name) {
            Some(named) => read(by_name, name, named, value, seen),
            None => seen.wrong.push(format!("{place}: no schema {name}")),
        }
        return;
    }
    for part in list(schema, "allOf") {
        read(by_name, place, part, value, seen);
    }
    let choices = list(schema, "oneOf");
    if !choices.is_empty() {
        let mut fitting: Vec<Seen> = choices
            .iter()
            .map(|choice| {
                let place =
                    tag(choice).map_or_else(|| place.to_owned(), |tag| format!("{place} {tag}"));
                let mut seen = Seen::default();
                read(by_name, &place, choice, value, &mut seen);
                seen
            })
            .filter(|seen| seen.wrong.is_empty())
            .collect();
        match (fitting.pop(), fitting.is_empty()) {
            (Some(one), true) => {
                seen.present.extend(one.present);
                seen.absent.extend(one.absent);
            }
            (Some(_), false) => seen
                .wrong
                .push(format!("{place}: fits more than one choice: {value}")),
            (None, _) => seen.wrong.push(format!("{place}: fits no choice: {value}")),
        }
    }
    let allowed = list(schema, "enum");
    if !allowed.is_empty() && !allowed.contains(value) {
        seen.wrong
            .push(format!("{place}: {value} is not one of its values"));
    }
    if let Some(kind) = schema.get("type").and_then(Value::as_str) {
        let fits = match kind {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "boolean" => value.is_boolean(),
            _ => false,
        };
        if !fits {
            seen.wrong.push(format!("{place}: {value} is no {kind}"));
            return;
        }
    }
    if let (Some(items), Value::Array(values)) = (schema.get("items"), value) {
        for value in values {
            read(by_name, place, items, value, seen);
        }
    }
    let required = list(schema, "required");
    if let Some(Value::Object(properties)) = schema.get("properties") {
        for (field, property) in properties {
            let needed = required.iter().any(|name| name == field);
            let name = format!("{place}.{field}");
            match value.get(field) {
                Some(inner) => {
                    read(by_name, &name, property, inner, seen);
                    if !needed {
                        seen.present.insert(name);
                    }
                }
                None if needed => seen.wrong.push(format!("{name} is not there")),
                None => {
                    seen.absent.insert(name);
                }
            }
        }
    }
}

/// The `type` that a frame's schema asks for, looked for in its parts too.
pub fn tag(schema: &Value) -> Option<&str> {
    schema
        .pointer("/properties/type/enum/0")
        .and_then(Value::as_str)
        .or_else(|| list(schema, "allOf").iter().find_map(tag))
}

/// A list of a schema, empty where it has none.
pub fn list<'a>(schema: &'a Value, name: &str) -> &'a [Value] {
    schema
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], |list| list)
}
