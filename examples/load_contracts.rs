//! Loads the contract of every folder of googleapis that defines a service, and prints the result of each:
//! `cargo run --release --features google --example load_contracts -- CHECKOUT [FOLDER…]`.
//!
//! CHECKOUT is a checkout of <https://github.com/googleapis/googleapis>. The exit code is 1 if a contract is refused.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{env, fs};

use apigateway_grpc::contract::{Contract, InvalidContract};
use protox::file::{
    ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver,
};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// The mixin services, and the files that define them. A service configuration names those that a service has.
const MIXINS: [(&str, &str); 3] = [
    (
        "google.longrunning.Operations",
        "google/longrunning/operations.proto",
    ),
    (
        "google.cloud.location.Locations",
        "google/cloud/location/locations.proto",
    ),
    ("google.iam.v1.IAMPolicy", "google/iam/v1/iam_policy.proto"),
];

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
    let usage = "usage: load_contracts <checkout of googleapis> [folder…]";
    let root = PathBuf::from(arguments.next().ok_or(usage)?);
    let only: Vec<String> = arguments.collect();
    let mut folders = BTreeMap::new();
    find(&root, &root, &mut folders)?;
    let cache = Cache::new(&root);
    let mut total = Total::default();
    for (name, folder) in folders {
        if !only.is_empty() && !only.contains(&name) {
            continue;
        }
        match folder.compile(&cache) {
            Ok(set) => total.add(&name, set.len(), folder.load(&set)),
            // A file of the checkout may be absent.
            Err(error) => total.skip(&name, &*error),
        }
    }
    total.print();
    Ok(total.refused == 0 && total.loaded > 0)
}

/// The files of a folder.
#[derive(Default)]
struct Folder {
    /// Protos, by their names for `import`.
    protos: Vec<String>,
    /// The service configuration.
    service_config: Option<String>,
    /// The gRPC service config.
    grpc_service_config: Option<String>,
}

/// Finds the folders whose protos define a service.
fn find(root: &Path, folder: &Path, found: &mut BTreeMap<String, Folder>) -> Result<()> {
    let (mut files, mut has_service) = (Folder::default(), false);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            // `preview` is a checkout of its own: its files import each other by paths without `preview`.
            if path != root.join("preview") {
                find(root, &path, found)?;
            }
            continue;
        }
        let name = name(root, &path)?;
        let extension = path.extension().unwrap_or_default();
        if extension == "proto" {
            let text = fs::read_to_string(&path)?;
            has_service |= text.lines().any(|line| line.starts_with("service "));
            files.protos.push(name);
        } else if name.ends_with("grpc_service_config.json") {
            files.grpc_service_config = Some(fs::read_to_string(&path)?);
        } else if extension == "yaml" {
            let text = fs::read_to_string(&path)?;
            if text.contains("\ntype: google.api.Service") || text.starts_with("type: google.api") {
                files.service_config = Some(text);
            }
        }
    }
    files.protos.sort();
    if has_service {
        found.insert(name(root, folder)?, files);
    }
    Ok(())
}

fn name(root: &Path, path: &Path) -> Result<String> {
    let name = path.strip_prefix(root)?.to_str();
    Ok(name.ok_or("a name is not UTF-8")?.to_owned())
}

impl Folder {
    /// Returns the encoded descriptor set of the folder, with the mixins of the service.
    fn compile(&self, cache: &Cache) -> Result<Vec<u8>> {
        let apis = self.service_config.as_deref().unwrap_or_default();
        let mixins = MIXINS.iter().filter(|(service, file)| {
            let listed = apis.contains(&format!("- name: {service}\n"));
            listed && !self.protos.iter().any(|proto| proto == file)
        });
        let files = self.protos.iter().map(String::as_str);
        let mut compiler = protox::Compiler::with_file_resolver(cache.clone());
        compiler.include_imports(true);
        compiler.open_files(files.chain(mixins.map(|(_, file)| *file)))?;
        Ok(compiler.encode_file_descriptor_set())
    }

    fn load(&self, set: &[u8]) -> Loaded {
        let start = Instant::now();
        let mut builder = Contract::builder(set);
        if let Some(config) = &self.service_config {
            builder = builder.service_config(config);
        }
        if let Some(config) = &self.grpc_service_config {
            builder = builder.grpc_service_config(config);
        }
        let contract = builder.build();
        Loaded {
            contract,
            time: start.elapsed(),
        }
    }
}

struct Loaded {
    contract: Result<Contract, InvalidContract>,
    time: Duration,
}

#[derive(Default)]
struct Total {
    loaded: usize,
    refused: usize,
    skipped: usize,
    methods: usize,
    unsupported: usize,
    time: Duration,
    largest: Option<Largest>,
}

struct Largest {
    name: String,
    methods: usize,
    bytes: usize,
    time: Duration,
}

impl Total {
    fn add(&mut self, name: &str, bytes: usize, loaded: Loaded) {
        let contract = match loaded.contract {
            Ok(contract) => contract,
            Err(error) => {
                self.refused += 1;
                println!("{name}: refused: {error}");
                return;
            }
        };
        let methods = contract.methods().len();
        println!("{name}: {methods} methods in {:.1?}", loaded.time);
        self.loaded += 1;
        self.methods += methods;
        self.time += loaded.time;
        for part in contract.unsupported() {
            self.unsupported += 1;
            println!("    {part}");
        }
        if self.largest.as_ref().is_none_or(|it| it.methods < methods) {
            self.largest = Some(Largest {
                name: name.to_owned(),
                methods,
                bytes,
                time: loaded.time,
            });
        }
    }

    fn skip(&mut self, name: &str, error: &dyn Error) {
        self.skipped += 1;
        println!("{name}: does not compile: {error}");
    }

    fn print(&self) {
        println!(
            "{} contracts loaded in {:.1?}, {} refused, {} folders do not compile; {} methods, {} unsupported parts",
            self.loaded, self.time, self.refused, self.skipped, self.methods, self.unsupported,
        );
        if let Some(it) = &self.largest {
            println!(
                "largest: {}, {} methods, {} bytes of descriptors, in {:.1?}",
                it.name, it.methods, it.bytes, it.time
            );
        }
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
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
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
