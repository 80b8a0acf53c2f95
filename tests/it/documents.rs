//! The documents: every configuration that they show is one.

use std::{fs, path::Path};

use crate::{
    shared::binary,
    support::{
        agent::finish,
        certificates::{Authority, Request},
        guard::Folder,
    },
};

/// What users put there is a folder of the test's own.
const PLACES: [&str; 2] = ["/etc/monitoring-agent/", "/etc/ssl/mongodb-"];

#[test]
fn every_configuration_in_the_documents_is_accepted() {
    let folder = Folder::create().expect("a folder");
    let authority = Authority::root("A CA");
    authority.write(&folder, "ca.pem").expect("a file is written");
    authority.write_revocation_list(&folder, "crl.pem").expect("a file is written");
    let client = authority.issue(&Request::localhost());
    client.write(&folder, "client.pem").expect("a file is written");
    folder.write("password", "hunter2\n").expect("a file is written");
    let place = format!("{}/", folder.path().display());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut blocks = 0;
    for document in ["README.md", "docs/tls.md"] {
        let text = fs::read_to_string(root.join(document)).expect("a readable document");
        for block in configurations(&text) {
            blocks += 1;
            let block = PLACES.iter().fold(block, |block, it| block.replace(it, &place));
            let config = folder.write("shown.config", &block).expect("a file is written");
            let path = config.to_str().expect("a text");
            let run = finish(binary(), &["check-config", "--config", path]).expect("it ends");
            assert_eq!(run.code, Some(0), "{document}:\n{block}\n{}", run.stderr);
        }
    }
    assert_eq!(blocks, 10, "this many are shown");
}

/// The blocks of a document that are configurations.
fn configurations(text: &str) -> Vec<String> {
    let blocks = text.split("```ini\n").skip(1);
    blocks.filter_map(|block| Some(block.split_once("```")?.0.to_owned())).collect()
}
