//! Reads the modules of a crate: the items that they define, and the paths that their code names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};
use syn::{Attribute, Item, UseTree, Visibility, visit::Visit};

/// A path to a module, from the root of the crate.
type ModulePath = Vec<String>;

/// A module: a file, or a `mod` with a body inside of one.
#[derive(Debug, Default)]
pub(super) struct Module {
    pub(super) file: PathBuf,
    /// The items that it defines.
    pub(super) items: BTreeSet<String>,
    /// Whether calls of macros define further items, whose names are not known.
    pub(super) has_macro_items: bool,
    /// Names that `use` brings, with the paths they stand for.
    pub(super) aliases: BTreeMap<String, Vec<String>>,
    pub(super) globs: Vec<Vec<String>>,
    /// Every path that its code names.
    pub(super) paths: BTreeSet<Vec<String>>,
}

pub(super) type Modules = BTreeMap<ModulePath, Module>;

/// Reads a file and those that it declares as modules.
pub(super) fn read_module(root: &Path, file: &Path, at: ModulePath, modules: &mut Modules) {
    let text = fs::read_to_string(root.join(file)).expect("a declared module has a readable file");
    let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    add_items(root, file, at, &parsed.items, modules);
}

fn add_items(root: &Path, file: &Path, at: ModulePath, items: &[Item], modules: &mut Modules) {
    let mut reader = Reader { module: Module { file: file.to_owned(), ..Module::default() }, locals: Vec::new() };
    for item in items.iter().filter(|item| !is_test(attributes(item))) {
        reader.module.items.extend(defined_name(item));
        reader.module.has_macro_items |= matches!(item, Item::Macro(call) if call.ident.is_none());
        if let Item::Mod(declared) = item {
            let mut child = at.clone();
            child.push(declared.ident.to_string());
            match &declared.content {
                Some((_, body)) => add_items(root, file, child, body, modules),
                None => read_module(root, &file_of(root, file, &declared.ident.to_string()), child, modules),
            }
        } else {
            reader.visit_item(item);
        }
    }
    modules.insert(at, reader.module);
}

/// The file of a module that another file declares.
fn file_of(root: &Path, parent: &Path, name: &str) -> PathBuf {
    let is_top = parent.file_name().is_some_and(|file| file == "mod.rs" || file == "lib.rs");
    let folder = if is_top { parent.parent().unwrap_or(Path::new("")).to_owned() } else { parent.with_extension("") };
    let plain = folder.join(format!("{name}.rs"));
    if root.join(&plain).is_file() { plain } else { folder.join(name).join("mod.rs") }
}

fn defined_name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        _ => return None,
    };
    Some(name.to_string())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let condition = attribute.meta.require_list().ok().filter(|list| list.path.is_ident("cfg"));
        condition.is_some_and(|list| list.tokens.to_string() == "test")
    })
}

/// Collects the paths that code names.
struct Reader {
    module: Module,
    /// The names that the functions around the code bind: a path of one name may be one of them.
    locals: Vec<BTreeSet<String>>,
}

impl Reader {
    fn names(&mut self, path: Vec<String>) {
        let is_local = path.len() == 1 && self.locals.iter().any(|names| names.contains(&path[0]));
        if !is_local {
            self.module.paths.insert(path);
        }
    }

    fn imports(&mut self, tree: &UseTree, mut before: Vec<String>, is_public: bool) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.imports(&path.tree, before, is_public);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.imports(tree, before.clone(), is_public);
                }
            }
            UseTree::Glob(_) => self.module.globs.push(before),
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                if name != "self" {
                    before.push(name);
                }
                let alias = before.last().cloned().unwrap_or_default();
                self.alias(alias, before, is_public);
            }
            UseTree::Rename(rename) => {
                before.push(rename.ident.to_string());
                self.alias(rename.rename.to_string(), before, is_public);
            }
        }
    }

    /// A re-export is no import of its own: only code that uses the name imports it.
    fn alias(&mut self, name: String, path: Vec<String>, is_public: bool) {
        if !is_public {
            self.module.paths.insert(path.clone());
        }
        self.module.aliases.insert(name, path);
    }

    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end_path(&mut path);
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.end_path(&mut path);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.end_path(&mut path);
    }

    fn end_path(&mut self, path: &mut Vec<String>) {
        if !path.is_empty() {
            self.names(std::mem::take(path));
        }
    }
}

impl Visit<'_> for Reader {
    fn visit_item_use(&mut self, item: &syn::ItemUse) {
        self.imports(&item.tree, Vec::new(), !matches!(item.vis, Visibility::Inherited));
    }

    fn visit_path(&mut self, path: &syn::Path) {
        if path.leading_colon.is_none() {
            self.names(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, _: &Attribute) {}

    fn visit_item_fn(&mut self, item: &syn::ItemFn) {
        self.locals.push(bound_names(|names| names.visit_item_fn(item)));
        syn::visit::visit_item_fn(self, item);
        self.locals.pop();
    }

    fn visit_impl_item_fn(&mut self, item: &syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            self.locals.push(bound_names(|names| names.visit_impl_item_fn(item)));
            syn::visit::visit_impl_item_fn(self, item);
            self.locals.pop();
        }
    }

    fn visit_field(&mut self, field: &syn::Field) {
        if !is_test(&field.attrs) {
            syn::visit::visit_field(self, field);
        }
    }
}

#[derive(Default)]
struct BoundNames(BTreeSet<String>);

fn bound_names(visit: impl FnOnce(&mut BoundNames)) -> BTreeSet<String> {
    let mut names = BoundNames::default();
    visit(&mut names);
    names.0
}

impl Visit<'_> for BoundNames {
    fn visit_pat_ident(&mut self, name: &syn::PatIdent) {
        self.0.insert(name.ident.to_string());
        syn::visit::visit_pat_ident(self, name);
    }
}
