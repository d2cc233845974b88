//! What `nft --json list ruleset` prints: where it says what we do not know, it is taken to hold for every packet.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::rule::{Chain, Families, Hook, Limit, Rule, Table};

/// The tables in `json`, whose rules are in `text` as `nft --handle --stateless list ruleset` writes them.
pub fn tables(json: &str, text: &str) -> Option<Vec<Table>> {
    let listed: Value = serde_json::from_str(json).ok()?;
    let objects = listed.get("nftables")?.as_array()?;
    let (texts, maps) = (texts(text), maps(objects));
    let mut tables: Vec<(Id, Table)> = Vec::new();
    for object in objects {
        if let Some(table) = object.get("table") {
            let (family, name) = (word(table, "family"), word(table, "name"));
            let Some(families) = families(&family) else { continue };
            let title = format!("nftables {family} {name}");
            tables.push(((family, name), Table { title, families, chains: Vec::new(), rules: Vec::new() }));
            continue;
        }
        let Some(inner) = object.get("chain").or_else(|| object.get("rule")) else { continue };
        let id = (word(inner, "family"), word(inner, "table"));
        let Some((_, table)) = tables.iter_mut().find(|(known, _)| *known == id) else { continue };
        if object.get("chain").is_some() {
            table.chains.push(chain(inner, &id.0));
        } else {
            let handle = inner.get("handle").and_then(Value::as_u64).unwrap_or_default();
            let named = |name: &str| maps.get(&(id.clone(), name.to_owned())).copied();
            let text = texts.get(&(id.clone(), handle)).cloned();
            table.rules.push(rule(inner, text.unwrap_or_else(|| format!("handle {handle}")), named));
        }
    }
    Some(tables.into_iter().map(|(_, table)| table).collect())
}

/// A table's family and name.
type Id = (String, String);

fn word(object: &Value, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn families(family: &str) -> Option<Families> {
    match family {
        "ip" => Some(Families::V4),
        "ip6" => Some(Families::V6),
        "inet" | "bridge" | "netdev" => Some(Families::All),
        _ => None,
    }
}

fn chain(object: &Value, family: &str) -> Chain {
    let hook = match word(object, "hook").as_str() {
        "ingress" | "prerouting" => Some(Hook::In),
        // What goes through the node comes to a bridge, and leaves by it.
        "input" if family == "bridge" => Some(Hook::In),
        "output" if family == "bridge" => Some(Hook::Out),
        "input" => Some(Hook::Input),
        "forward" => Some(Hook::Forward),
        "output" => Some(Hook::Output),
        "postrouting" | "egress" => Some(Hook::Out),
        _ => None,
    };
    Chain { name: word(object, "name"), hook, is_closed: word(object, "policy") == "drop" }
}

/// `named` are the elements of a map of this name.
fn rule<'a>(object: &Value, text: String, named: impl Fn(&str) -> Option<&'a Value>) -> Rule {
    let mut rule = Rule { chain: word(object, "chain"), text, ..Rule::default() };
    for expression in object.get("expr").and_then(Value::as_array).into_iter().flatten() {
        let map = expression.get("vmap").and_then(|map| map.get("data")?.as_str()?.strip_prefix('@'));
        for verdicts in [Some(expression), map.and_then(&named)].into_iter().flatten() {
            rule.blocks |= has(verdicts, "drop") || has(verdicts, "reject");
            targets(verdicts, &mut rule.jumps);
        }
        // A target of iptables', where its own tools are not there to tell.
        rule.blocks |= expression.get("xt").is_some_and(|target| word(target, "name") == "REJECT");
        if let Some(condition) = expression.get("match") {
            limit(condition, &mut rule);
        }
    }
    rule
}

/// The elements of named maps.
fn maps(objects: &[Value]) -> HashMap<(Id, String), &Value> {
    let named = objects.iter().filter_map(|object| {
        let map = object.get("map")?;
        let id = (word(map, "family"), word(map, "table"));
        Some(((id, word(map, "name")), map.get("elem")?))
    });
    named.collect()
}

/// What a condition says of addresses and interfaces, if it says it plainly.
fn limit(condition: &Value, rule: &mut Rule) {
    let (Some(left), Some(right)) = (condition.get("left"), condition.get("right")) else { return };
    let is_negated = word(condition, "op") == "!=";
    let plain = left.get("payload").or_else(|| left.get("meta"));
    let what = plain.map(|what| word(what, "field") + &word(what, "key")).unwrap_or_default();
    let values = right.get("set").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![right.clone()]);
    match what.as_str() {
        "saddr" => rule.source.extend(all(&values, network, is_negated)),
        "daddr" => rule.destination.extend(all(&values, network, is_negated)),
        "iif" | "iifname" => rule.input.extend(all(&values, name, is_negated)),
        "oif" | "oifname" => rule.output.extend(all(&values, name, is_negated)),
        _ => {}
    }
}

/// Nothing, unless each of the values is one.
fn all<T>(values: &[Value], one: impl Fn(&Value) -> Option<T>, is_negated: bool) -> Option<Limit<T>> {
    let list: Vec<T> = values.iter().map(one).collect::<Option<_>>()?;
    Some(if is_negated { Limit::NotOf(list) } else { Limit::Of(list) })
}

fn network(value: &Value) -> Option<IpNet> {
    if let Some(address) = value.as_str() {
        return address.parse::<IpAddr>().map(IpNet::from).ok();
    }
    let prefix = value.get("prefix")?;
    let length = u8::try_from(prefix.get("len")?.as_u64()?).ok()?;
    IpNet::new(prefix.get("addr")?.as_str()?.parse().ok()?, length).ok()
}

/// An interface's, not a set's.
fn name(value: &Value) -> Option<String> {
    value.as_str().filter(|name| !name.starts_with('@')).map(str::to_owned)
}

/// Whether an expression, or what is in it, has this verdict.
fn has(value: &Value, verdict: &str) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(key, inner)| key == verdict || has(inner, verdict)),
        Value::Array(items) => items.iter().any(|item| has(item, verdict)),
        _ => false,
    }
}

/// The chains that an expression, or what is in it, goes on to.
fn targets(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("target").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|inner| targets(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|item| targets(item, found)),
        _ => {}
    }
}

/// The lines of rules by their tables and handles.
fn texts(text: &str) -> HashMap<(Id, u64), String> {
    let (mut lines, mut table) = (HashMap::new(), Id::default());
    for line in text.lines() {
        let Some((rule, handle)) = line.rsplit_once(" # handle ") else { continue };
        if let Some(begun) = rule.strip_prefix("table ") {
            let mut words = begun.split_whitespace().map(str::to_owned);
            table = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        } else if let Ok(handle) = handle.trim().parse() {
            lines.insert((table.clone(), handle), rule.trim().to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"nftables": [
        {"metainfo": {"version": "1.0.6"}},
        {"table": {"family": "inet", "name": "fw", "handle": 1}},
        {"chain": {"family": "inet", "table": "fw", "name": "fwd", "handle": 1, "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}},
        {"chain": {"family": "inet", "table": "fw", "name": "web", "handle": 2}},
        {"rule": {"family": "inet", "table": "fw", "chain": "fwd", "handle": 3, "expr": [
            {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}},
                "right": {"set": ["10.0.3.10", {"prefix": {"addr": "10.1.0.0", "len": 16}}]}}},
            {"match": {"op": "!=", "left": {"meta": {"key": "iifname"}}, "right": "eth*"}},
            {"counter": null}, {"jump": {"target": "web"}}]}},
        {"rule": {"family": "inet", "table": "fw", "chain": "web", "handle": 4, "expr": [
            {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "@bad"}},
            {"reject": {"type": "tcp reset"}}]}},
        {"rule": {"family": "inet", "table": "fw", "chain": "web", "handle": 5, "expr": [
            {"vmap": {"key": {"payload": {"protocol": "tcp", "field": "dport"}},
                "data": {"set": [[22, {"drop": null}], [80, {"goto": {"target": "web"}}]]}}}]}},
        {"map": {"family": "inet", "name": "services", "table": "fw", "type": "inet_service", "handle": 7, "map": "verdict",
            "elem": [[25, {"jump": {"target": "mail"}}], [80, {"drop": null}]]}},
        {"rule": {"family": "inet", "table": "fw", "chain": "web", "handle": 6, "expr": [
            {"vmap": {"key": {"payload": {"protocol": "tcp", "field": "dport"}}, "data": "@services"}}]}}
    ]}"#;
    const TEXT: &str = "table inet fw { # handle 1
\tchain fwd { # handle 1
\t\ttype filter hook forward priority filter; policy drop;
\t\tip daddr { 10.0.3.10, 10.1.0.0/16 } iifname != \"eth*\" counter jump web # handle 3
\t}
\tchain web { # handle 2
\t\tip saddr @bad reject with tcp reset # handle 4
\t}
}
";

    #[test]
    fn what_others_have_written_is_read() {
        let tables = tables(JSON, TEXT).unwrap();
        let [table] = tables.as_slice() else { panic!("{tables:?}") };
        assert_eq!((table.title.as_str(), &table.hooks()["web"]), ("nftables inet fw", &vec![Hook::Forward]));
        assert!(table.chains[0].is_closed && !table.chains[1].is_closed);
        let [jump, reject, map, named] = table.rules.as_slice() else { panic!("{table:?}") };
        assert!(jump.text.starts_with("ip daddr { 10.0.3.10") && jump.text.ends_with("jump web"));
        let networks = ["10.0.3.10/32", "10.1.0.0/16"].map(|text| text.parse::<IpNet>().unwrap());
        assert_eq!(jump.destination, [Limit::Of(networks.to_vec())]);
        assert_eq!(jump.input, [Limit::NotOf(vec!["eth*".to_owned()])]);
        // What is in a named set may be anything.
        assert!(reject.blocks && reject.source.is_empty());
        assert!(named.blocks && named.jumps == ["mail"], "{named:?}");
        assert!(map.blocks && map.jumps == ["web"] && map.text == "handle 5");
    }

    #[test]
    fn what_is_no_ruleset_is_none() {
        assert_eq!(tables("", ""), None);
        assert_eq!(tables(r#"{"nftables": []}"#, ""), Some(vec![]));
    }
}
