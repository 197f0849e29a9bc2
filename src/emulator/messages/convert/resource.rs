//! Resources as messages.

use crate::emulator::messages::Resource as ProtoResource;
use crate::emulator::messages::resource::Kind;
use crate::emulator::state::resource::Resource;
use crate::proto::google::cloud::apigateway::v1::{Api, ApiConfig, Gateway};

/// A kind of resource that has a message.
pub(in crate::emulator) trait ToProto: Resource {
    fn kind(self) -> Kind;

    /// Returns the message of a resource.
    fn to_proto(self) -> ProtoResource {
        ProtoResource {
            kind: Some(self.kind()),
        }
    }
}

impl ToProto for Api {
    fn kind(self) -> Kind {
        Kind::Api(self)
    }
}

impl ToProto for ApiConfig {
    fn kind(self) -> Kind {
        Kind::ApiConfig(self)
    }
}

impl ToProto for Gateway {
    fn kind(self) -> Kind {
        Kind::Gateway(self)
    }
}
