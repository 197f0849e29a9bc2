//! The build script of the service over gRPC and REST. It runs in its own process, as under cargo.

use std::path::Path;
use std::process::Command;

mod script {
    include!("../../src/recipes/rest_face/build.rs");

    pub(super) fn run() {
        main().expect("the script succeeds");
    }
}

/// Set in the process that is the build script.
const IS_SCRIPT: &str = "RECIPES_IS_BUILD_SCRIPT";

/// The test starts itself in a second process, which is the build script. `UPDATE_RECIPES=1` writes the files anew.
#[test]
fn the_build_script_generates_the_code_and_the_descriptors_of_the_test() {
    if std::env::var_os(IS_SCRIPT).is_some() {
        return script::run();
    }
    let name = "build::the_build_script_generates_the_code_and_the_descriptors_of_the_test";
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::temp_dir().join(format!("recipe-{}", std::process::id()));
    let google = folder.join("proto/google/api");
    std::fs::create_dir_all(&google).expect("a temporary folder");
    for name in ["annotations.proto", "http.proto"] {
        let proto = root.join("proto/google/api").join(name);
        std::fs::copy(proto, google.join(name)).expect("a proto of this crate");
    }
    let proto = root.join("src/recipes/rest_face/greeter.proto");
    std::fs::copy(proto, folder.join("proto/greeter.proto")).expect("the recipe's proto");
    let ran = Command::new(std::env::current_exe().expect("a test"))
        .args(["--exact", name])
        .env(IS_SCRIPT, "1")
        .env("OUT_DIR", &folder)
        .current_dir(&folder)
        .output()
        .expect("it starts");
    assert!(ran.status.success(), "{ran:?}");
    for name in ["greeter.v1.rs", "greeter.bin"] {
        let written = std::fs::read(folder.join(name)).expect("it is written");
        let kept = root.join("tests/recipes").join(name);
        if std::env::var_os("UPDATE_RECIPES").is_some() {
            std::fs::write(&kept, &written).expect("it can be written");
        }
        let kept = std::fs::read(&kept).expect("a file of the test");
        assert!(written == kept, "{name} differs: run with UPDATE_RECIPES=1");
    }
    std::fs::remove_dir_all(&folder).expect("it is removed");
}
