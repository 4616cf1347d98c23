//! Walls between modules: those that stand beside each other can be read one after the other, because none knows one that
//! knows it, not even by way of others.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, iter};

/// The folders whose modules stand in an order: for each the root of its crate, and the modules that lead to it.
///
/// `crates/world` is left out: everybody in a world has the world in hand, because any of them may be the next to act, and
/// that is what it is for.
const ORDERED: [(&str, &[&str]); 11] = [
    ("src", &[]),
    ("crates/conversations/src", &[]),
    ("crates/protocol/src", &[]),
    ("crates/recovery/src", &[]),
    ("crates/recovery/src", &["call"]),
    ("crates/server/src", &[]),
    ("crates/server/src", &["http", "twiml"]),
    ("crates/setup/src", &[]),
    ("crates/timeline/src", &[]),
    ("crates/twilio/src", &[]),
    ("crates/twin/src", &[]),
];

#[test]
fn modules_that_stand_beside_each_other_form_no_cycle() {
    for (root, folder) in ORDERED {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
        let modules = Modules::of(&root, folder);
        assert!(!modules.knows.is_empty(), "nothing is read of {}", root.display());
        if let Some(cycle) = modules.cycle() {
            let steps: Vec<_> = cycle
                .iter()
                .zip(cycle.iter().cycle().skip(1))
                .map(|(from, to)| format!("{from} knows {to} by {}", modules.knows[from][to]))
                .collect();
            panic!("{}, {folder:?}:\n{}", root.display(), steps.join("\n"));
        }
    }
}

/// The order that the documentation of `crates/recovery/src/call.rs` lists is the one in which its modules call each other.
#[test]
fn the_modules_of_a_call_call_only_those_listed_before_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/recovery/src");
    let text = fs::read_to_string(root.join("call.rs")).unwrap();
    let listed: Vec<_> = text
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .skip_while(|line| !line.starts_with(" 1."))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect();
    let at = |module: &str| listed.iter().position(|it| *it == module);
    let modules = Modules::of(&root, &["call"]);
    for (from, known) in &modules.knows {
        let place = at(from).unwrap_or_else(|| panic!("call.rs does not list {from}"));
        for (to, by) in known {
            assert!(at(to).is_some_and(|to| to < place), "{from} is listed before {to}, and calls it: {by}");
        }
    }
}

/// A path of names, such as `["http", "twiml"]`.
type Names = Vec<String>;

/// Modules of one folder.
struct Modules {
    /// For each the others that it knows, and a file that shows it.
    knows: BTreeMap<String, BTreeMap<String, String>>,
}

impl Modules {
    fn of(root: &Path, folder: &[&str]) -> Self {
        let mut files = vec![];
        read(root, &mut vec![], &mut files);
        let own: Names = folder.iter().map(ToString::to_string).collect();
        let inside =
            |module: &Names| module.starts_with(&own).then(|| module.get(own.len()).cloned()).flatten();
        let beside: BTreeSet<String> = files.iter().filter_map(|(module, ..)| inside(module)).collect();
        // What the folder's own file passes on is known by its name there.
        let passed_on: BTreeMap<String, String> = files
            .iter()
            .filter(|(module, ..)| *module == own)
            .flat_map(|(module, _, code)| passed_on(module, code))
            .filter_map(|(name, path)| {
                let from = path.strip_prefix(&own[..]).unwrap_or(&path).first()?.clone();
                beside.contains(&from).then_some((name, from))
            })
            .collect();
        let mut knows: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (module, file, code) in &files {
            let Some(from) = inside(module) else { continue };
            for path in named(module, code) {
                let Some(name) = inside(&path) else { continue };
                let to = passed_on.get(&name).unwrap_or(&name);
                if *to != from && beside.contains(to) {
                    knows.entry(from.clone()).or_default().entry(to.clone()).or_insert_with(|| file.clone());
                }
            }
        }
        // The methods of one type may stand in several modules, which name no path to call each other.
        let methods = methods(files.iter().filter_map(|(module, _, code)| Some((inside(module)?, &**code))));
        for (module, file, code) in &files {
            let Some(from) = inside(module) else { continue };
            for method in called(code) {
                if let Some(to) = methods.get(method).filter(|to| **to != from) {
                    knows
                        .entry(from.clone())
                        .or_default()
                        .entry(to.clone())
                        .or_insert_with(|| format!("{method} in {file}"));
                }
            }
        }
        Self { knows }
    }

    /// One, if there is any.
    fn cycle(&self) -> Option<Names> {
        let mut clean = BTreeSet::new();
        self.knows.keys().find_map(|from| self.cycle_from(from, &mut vec![], &mut clean))
    }

    fn cycle_from(&self, from: &String, way: &mut Names, clean: &mut BTreeSet<String>) -> Option<Names> {
        if let Some(at) = way.iter().position(|known| known == from) {
            return Some(way[at..].to_vec());
        }
        if clean.contains(from) {
            return None;
        }
        way.push(from.clone());
        let found = self
            .knows
            .get(from)
            .and_then(|known| known.keys().find_map(|to| self.cycle_from(to, way, clean)));
        way.pop();
        clean.insert(from.clone());
        found
    }
}

/// All modules below a folder: their names, their files, and what is in them apart from comments and tests.
fn read(folder: &Path, module: &mut Names, files: &mut Vec<(Names, String, String)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            // Other programs, and tests.
            if name != "bin" && name != "tests" {
                module.push(name);
                read(&path, module, files);
                module.pop();
            }
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "rs")
            || name == "main"
            || name.ends_with("tests")
        {
            continue;
        }
        let own = ["lib", "mod"].contains(&&*name);
        let of: Names = module.iter().cloned().chain((!own).then_some(name)).collect();
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
        files.push((of, path.display().to_string(), code.collect::<Vec<_>>().join("\n")));
    }
}

/// Everything of the same crate that is named in a module by a path from the root or from above.
fn named(module: &Names, code: &str) -> Vec<Names> {
    let begins = ["crate::", "super::"];
    let at = begins.into_iter().flat_map(|begin| code.match_indices(begin));
    at.filter(|(at, _)| !code[..*at].ends_with("::") && !code[..*at].ends_with(is_of_name))
        .flat_map(|(at, _)| tree(&code[at..]).0)
        .map(|path| absolute(module, path))
        .collect()
}

/// The module of each function that stands in one module alone.
fn methods<'a>(modules: impl Iterator<Item = (String, &'a str)>) -> BTreeMap<&'a str, String> {
    let mut of: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (module, code) in modules {
        for (at, begin) in code.match_indices(" fn ") {
            of.entry(name_at(&code[at + begin.len()..])).or_default().insert(module.clone());
        }
    }
    of.into_iter()
        .filter(|(_, modules)| modules.len() == 1)
        .flat_map(|(name, of)| Some((name, of.into_iter().next()?)))
        .collect()
}

/// The functions that a module calls of its own types.
fn called(code: &str) -> impl Iterator<Item = &str> {
    let own = ["self", "Self"].into_iter().flat_map(|own| code.match_indices(own));
    own.filter_map(|(at, own)| {
        let after = code[at + own.len()..].trim_start();
        let named = after.strip_prefix('.').or_else(|| after.strip_prefix("::"))?;
        let name = name_at(named);
        let is_called = named[name.len()..].starts_with(['(', ':']);
        (is_called && !code[..at].ends_with(is_of_name)).then_some(name)
    })
}

/// The name that a text begins with.
fn name_at(text: &str) -> &str {
    &text[..text.find(|letter| !is_of_name(letter)).unwrap_or(text.len())]
}

/// What a module passes on under a name: name and path.
fn passed_on(module: &Names, code: &str) -> Vec<(String, Names)> {
    let statements = code.split(';').filter_map(|statement| {
        let from = statement.rfind("pub use ").or_else(|| statement.rfind("pub(crate) use "))?;
        statement[from..].split_once(" use ").map(|(_, tree)| tree)
    });
    let paths = statements.flat_map(|statement| tree(statement).0);
    paths.filter_map(|path| Some((path.last()?.clone(), absolute(module, path)))).collect()
}

/// From the root of the crate on.
fn absolute(module: &Names, path: Names) -> Names {
    let up = path.iter().take_while(|name| *name == "super").count();
    match path.first().map(String::as_str) {
        Some("crate") => path[1..].to_vec(),
        Some("super") => {
            module[..module.len().saturating_sub(up)].iter().chain(&path[up..]).cloned().collect()
        }
        _ => path,
    }
}

/// The paths that a text begins with, as after `use`, and what comes after them. One that gets another name ends with that.
fn tree(text: &str) -> (Vec<Names>, &str) {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        let mut paths = vec![];
        loop {
            rest = rest.trim_start_matches([' ', '\n', ',']);
            if let Some(after) = rest.strip_prefix('}') {
                return (paths, after);
            }
            let (more, after) = tree(rest);
            if after.len() == rest.len() {
                return (paths, after); // no tree: what follows is of no interest
            }
            paths.extend(more);
            rest = after;
        }
    }
    let (name, rest) = text.split_at(text.find(|letter| !is_of_name(letter)).unwrap_or(text.len()));
    if name.is_empty() {
        return (vec![], text.strip_prefix('*').unwrap_or(text));
    }
    if let Some(below) = rest.strip_prefix("::") {
        let (paths, rest) = tree(below);
        let none = paths.is_empty().then(Vec::new);
        let paths = paths.into_iter().chain(none);
        return (paths.map(|path| iter::once(name.to_owned()).chain(path).collect()).collect(), rest);
    }
    match rest.strip_prefix(" as ") {
        Some(renamed) => {
            let (paths, rest) = tree(renamed);
            let end = paths.into_iter().flatten().next().unwrap_or_default();
            (vec![vec![name.to_owned(), end]], rest)
        }
        None => (vec![vec![name.to_owned()]], rest),
    }
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[test]
fn paths_are_read_from_where_they_are_named() {
    let code = "use crate::a::{self, b::{C, D}, e as f};\nuse super::super::g;\nfn h() { crate::i::j(super::k::<L>()) }";
    let module = ["m".to_owned(), "n".to_owned()];
    let mut paths: Vec<_> = named(&module.to_vec(), code).iter().map(|path| path.join("::")).collect();
    paths.sort();
    assert_eq!(paths, ["a::b::C", "a::b::D", "a::e::f", "a::self", "g", "i::j", "m::k"]);
    let passed = passed_on(&vec![], "mod a;\npub use a::{B, c as d};\npub(crate) use e::F;");
    let passed: Vec<_> = passed.iter().map(|(name, path)| (name.as_str(), path[0].as_str())).collect();
    assert_eq!(passed, [("B", "a"), ("d", "a"), ("F", "e")]);
}

#[test]
fn methods_are_known_by_the_module_that_they_stand_in() {
    let a = "impl T { fn a(&self) { self.b(); self\n.c::<U>(); self.field.d(); myself.e() } fn f() {} }";
    let b = "impl T { pub(super) fn b(&self) { Self::a(self) } fn f() {} }";
    let of = methods([("x".to_owned(), a), ("y".to_owned(), b)].into_iter());
    assert_eq!(of, BTreeMap::from([("a", "x".to_owned()), ("b", "y".to_owned())]), "`f` stands in both");
    assert_eq!(called(a).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(called(b).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_cycle_is_found_and_an_order_is_none() {
    let knows = |pairs: &[(&str, &str)]| {
        let mut knows: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (from, to) in pairs {
            knows.entry((*from).into()).or_default().insert((*to).into(), String::new());
        }
        Modules { knows }.cycle()
    };
    assert_eq!(knows(&[("a", "b"), ("a", "c"), ("b", "c")]), None);
    assert_eq!(knows(&[("a", "b"), ("b", "c"), ("c", "b")]), Some(vec!["b".into(), "c".into()]));
}

/// What is drawn is plain data: a simulated world and a server's database are drawn by the same crate, which knows neither.
#[test]
fn given_the_timeline_crate_then_it_depends_on_no_other_crate_of_ours() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/timeline/Cargo.toml");
    let text = fs::read_to_string(manifest).unwrap();
    let (_, dependencies) = text.split_once("[dependencies]").unwrap();
    let ours: Vec<_> =
        dependencies.lines().filter(|line| line.contains("rejoin") || line.contains("path =")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}
