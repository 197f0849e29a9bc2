//! Compiles the HTTP rules of a checkout of googleapis, each folder by itself, and prints the rules that the client or the
//! server cannot serve: `interop_rules <checkout> [folder…]`.
//!
//! The exit code is 1 if [`Rules`] cannot be built for a folder with rules, or if there is no such folder.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::{env, fs};

use apigateway_grpc::transcode::Rules;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use protox::file::{
    ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let mut arguments = env::args().skip(1);
    let usage = "usage: interop_rules <checkout of googleapis> [folder…]";
    let root = PathBuf::from(arguments.next().ok_or(usage)?);
    let only: Vec<String> = arguments.collect();
    let mut folders = BTreeMap::new();
    find(&root, &root, &mut folders)?;
    let cache = Cache::new(&root);
    let mut sum = Sum::default();
    for (folder, files) in folders {
        if (only.is_empty() || only.contains(&folder))
            && let Some(found) = of_folder(&cache, &files).transpose()
        {
            sum.add(&folder, found);
        }
    }
    sum.print();
    Ok(sum.failed == 0 && sum.folders > 0)
}

/// Finds the folders whose proto files contain `(google.api.http)`. Adds the files of each, as `import` would name them.
fn find(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<String>>) -> Result<()> {
    let (mut files, mut any) = (Vec::new(), false);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path == root.join("preview") {
            // `preview` is a root of its own: its files import each other by paths from `preview`. So it is skipped.
            continue;
        }
        if path.is_dir() {
            find(root, &path, found)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            any |= fs::read_to_string(&path)?.contains("(google.api.http)");
            files.push(name(root, &path)?);
        }
    }
    files.sort();
    if any {
        found.insert(name(root, folder)?, files);
    }
    Ok(())
}

fn name(root: &Path, path: &Path) -> Result<String> {
    let name = path.strip_prefix(root)?.to_str();
    Ok(name.ok_or("a name is not UTF-8")?.to_owned())
}

/// The results for a folder.
struct Folder {
    rules: usize,
    unserved_by_client: usize,
    unserved_by_server: usize,
    unserved: Vec<String>,
}

/// Compiles the rules of a folder. Returns `None` if its files have `google.api.http` in comments only.
fn of_folder(cache: &Cache, files: &[String]) -> Result<Option<Folder>> {
    let mut compiler = protox::Compiler::with_file_resolver(cache.clone());
    compiler.include_imports(true).open_files(files)?;
    let counts = counts(&compiler.descriptor_pool(), files);
    if counts.is_empty() {
        return Ok(None);
    }
    let rules = Rules::builder(&compiler.encode_file_descriptor_set()).build()?;
    // The set also has the services of imported files.
    let unserved = rules.unserved().iter();
    let own: Vec<_> = unserved
        .filter(|rule| counts.contains_key(rule.method()))
        .collect();
    Ok(Some(Folder {
        rules: counts.values().sum(),
        unserved_by_client: own.iter().filter(|rule| rule.by_client()).count(),
        unserved_by_server: own.iter().filter(|rule| rule.by_server()).count(),
        unserved: own.iter().map(ToString::to_string).collect(),
    }))
}

/// Returns the number of rules of each method in these files.
fn counts(pool: &DescriptorPool, files: &[String]) -> HashMap<String, usize> {
    let of = |method: &MethodDescriptor| {
        let http = pool.get_extension_by_name("google.api.http")?;
        let options = method.options();
        if !options.has_extension(&http) {
            return None;
        }
        let rule = options.get_extension(&http);
        let bindings = rule.as_message()?.get_field_by_name("additional_bindings");
        let more = bindings.map_or(0, |bindings| bindings.as_list().unwrap_or_default().len());
        Some((method.full_name().to_owned(), 1 + more))
    };
    let services = pool.services();
    let own = services.filter(|service| {
        files
            .iter()
            .any(|file| service.parent_file().name() == file)
    });
    let methods: Vec<_> = own
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .collect();
    methods.iter().filter_map(of).collect()
}

#[derive(Default)]
struct Sum {
    folders: usize,
    failed: usize,
    rules: usize,
    unserved_by_client: usize,
    unserved_by_server: usize,
}

impl Sum {
    fn add(&mut self, name: &str, folder: Result<Folder>) {
        self.folders += 1;
        match folder {
            Ok(folder) => {
                self.rules += folder.rules;
                self.unserved_by_client += folder.unserved_by_client;
                self.unserved_by_server += folder.unserved_by_server;
                for line in folder.unserved {
                    println!("{line}");
                }
            }
            Err(error) => {
                self.failed += 1;
                println!("{name}: cannot build the rules: {error}");
            }
        }
    }

    fn print(&self) {
        println!(
            "{} folders, {} failed; {} rules, {} served by the client, {} by the server",
            self.folders,
            self.failed,
            self.rules,
            self.rules - self.unserved_by_client,
            self.rules - self.unserved_by_server,
        );
    }
}

/// Files of the checkout, each parsed once.
#[derive(Clone)]
struct Cache {
    files: Rc<ChainFileResolver>,
    parsed: Arc<Mutex<HashMap<String, File>>>,
}

impl Cache {
    fn new(root: &Path) -> Self {
        let mut files = ChainFileResolver::new();
        files.add(IncludeFileResolver::new(root.to_owned()));
        files.add(GoogleFileResolver::new());
        Self {
            files: Rc::new(files),
            parsed: Arc::default(),
        }
    }
}

impl FileResolver for Cache {
    fn open_file(&self, name: &str) -> std::result::Result<File, protox::Error> {
        let known = |cache: &Self| cache.parsed.lock().ok()?.get(name).cloned();
        if let Some(file) = known(self) {
            return Ok(file);
        }
        let file = self.files.open_file(name)?;
        if let Ok(mut parsed) = self.parsed.lock() {
            parsed.insert(name.to_owned(), file.clone());
        }
        Ok(file)
    }
}
