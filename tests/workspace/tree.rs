//! Files by complete path, presented as a tree of folders.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace_state::Content;

/// A file or a folder.
pub(crate) enum Node<'a> {
    File(&'a Content),
    Folder,
}

/// The node at a path.
pub(crate) fn node<'a>(files: &'a BTreeMap<String, Content>, path: &str) -> Option<Node<'a>> {
    let path = path.trim_end_matches('/');
    if let Some(content) = files.get(path) {
        return Some(Node::File(content));
    }
    let inside = format!("{path}/");
    files.keys().any(|file| file.starts_with(&inside)).then_some(Node::Folder)
}

/// The paths directly in a folder.
pub(crate) fn children(files: &BTreeMap<String, Content>, folder: &str) -> BTreeSet<String> {
    let inside = format!("{}/", folder.trim_end_matches('/'));
    let name = |file: &String| file.strip_prefix(&inside)?.split('/').next().map(str::to_owned);
    files.keys().filter_map(name).map(|name| format!("{inside}{name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_the_parents_of_files() {
        let files: BTreeMap<String, Content> =
            ["/a/b/c", "/a/d"].map(|path| (path.to_owned(), Content::new("", 0))).into();
        assert!(matches!(node(&files, "/a/b/"), Some(Node::Folder)));
        assert!(matches!(node(&files, "/a/d"), Some(Node::File(_))));
        assert!(node(&files, "/a/x").is_none());
        assert_eq!(children(&files, "/a").into_iter().collect::<Vec<_>>(), ["/a/b", "/a/d"]);
        assert_eq!(children(&files, "/").into_iter().collect::<Vec<_>>(), ["/a"]);
    }
}
