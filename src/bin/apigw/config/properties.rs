//! gcloud's configuration: the files of its folder.

use std::path::{Path, PathBuf};

use configparser::ini::Ini;

use crate::files::read_file;

/// The properties of the active configuration of gcloud.
#[derive(Debug, Default)]
pub(crate) struct Properties {
    /// The name of the active configuration; `NONE` has no properties.
    pub(crate) configuration: String,
    pub(crate) file: Option<PathBuf>,
    ini: Ini,
    /// The reason why the file could not be read.
    pub(crate) error: Option<String>,
}

impl Properties {
    /// Reads the named configuration, or the active one if no name is given. A file that does not exist has no
    /// properties. If the file cannot be read, `error` has the reason.
    pub(crate) fn read(named: Option<&str>) -> Self {
        let Some(folder) = folder() else {
            return Self::default();
        };
        let environment = std::env::var("CLOUDSDK_ACTIVE_CONFIG_NAME").ok();
        let active = || {
            let name = read(&folder.join("active_config")).ok()?;
            Some(name.trim().to_owned()).filter(|name| !name.is_empty())
        };
        let name = named
            .map(str::to_owned)
            .or(environment.filter(|name| !name.is_empty()))
            .or_else(active);
        let name = name.unwrap_or_else(|| "default".to_owned());
        let file = folder.join("configurations").join(format!("config_{name}"));
        let mut properties = Self {
            configuration: name,
            ..Self::default()
        };
        if properties.configuration == "NONE" {
            return properties;
        }
        match read(&file) {
            Ok(text) => {
                let read = properties.ini.read(text);
                properties.error = read
                    .err()
                    .map(|error| format!("{}: {error}", file.display()));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                properties.error = named.map(|name| {
                    format!(
                        "no gcloud configuration `{name}`: {} does not exist",
                        file.display()
                    )
                });
            }
            Err(error) => properties.error = Some(format!("{}: {error}", file.display())),
        }
        properties.file = Some(file);
        properties
    }

    /// Returns a property if it is set and not empty.
    pub(crate) fn get(&self, section: &str, name: &str) -> Option<String> {
        self.ini
            .get(section, name)
            .filter(|value| !value.is_empty())
    }
}

fn read(file: &Path) -> std::io::Result<String> {
    String::from_utf8(read_file(file)?)
        .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
}

/// Returns the folder of gcloud's configuration.
pub(crate) fn folder() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("CLOUDSDK_CONFIG").filter(|folder| !folder.is_empty()) {
        return Some(folder.into());
    }
    if cfg!(windows) {
        return Some(PathBuf::from(std::env::var_os("APPDATA")?).join("gcloud"));
    }
    Some(PathBuf::from(std::env::var_os("HOME")?).join(".config/gcloud"))
}
