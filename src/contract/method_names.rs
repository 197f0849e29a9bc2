//! Constants for the methods. Each one is looked up at compile time, so a path that is not in the table is a compile error.

use std::borrow::Cow;

use super::{METHODS, Method};

macro_rules! methods {
    ($($constant:ident = $path:literal,)*) => {
        /// A constant for each method of the contract.
        impl Method {
            $(
                #[doc = concat!("`", $path, "`.")]
                pub const $constant: &'static Self = known($path);
            )*

            /// The methods that have a constant. A test checks that every method has one.
            #[cfg(test)]
            const NAMED: &'static [&'static Self] = &[$(Self::$constant),*];
        }
    };
}

methods! {
    CREATE_API = "/google.cloud.apigateway.v1.ApiGatewayService/CreateApi",
    CREATE_API_CONFIG = "/google.cloud.apigateway.v1.ApiGatewayService/CreateApiConfig",
    CREATE_GATEWAY = "/google.cloud.apigateway.v1.ApiGatewayService/CreateGateway",
    DELETE_API = "/google.cloud.apigateway.v1.ApiGatewayService/DeleteApi",
    DELETE_API_CONFIG = "/google.cloud.apigateway.v1.ApiGatewayService/DeleteApiConfig",
    DELETE_GATEWAY = "/google.cloud.apigateway.v1.ApiGatewayService/DeleteGateway",
    GET_API = "/google.cloud.apigateway.v1.ApiGatewayService/GetApi",
    GET_API_CONFIG = "/google.cloud.apigateway.v1.ApiGatewayService/GetApiConfig",
    GET_GATEWAY = "/google.cloud.apigateway.v1.ApiGatewayService/GetGateway",
    LIST_API_CONFIGS = "/google.cloud.apigateway.v1.ApiGatewayService/ListApiConfigs",
    LIST_APIS = "/google.cloud.apigateway.v1.ApiGatewayService/ListApis",
    LIST_GATEWAYS = "/google.cloud.apigateway.v1.ApiGatewayService/ListGateways",
    UPDATE_API = "/google.cloud.apigateway.v1.ApiGatewayService/UpdateApi",
    UPDATE_API_CONFIG = "/google.cloud.apigateway.v1.ApiGatewayService/UpdateApiConfig",
    UPDATE_GATEWAY = "/google.cloud.apigateway.v1.ApiGatewayService/UpdateGateway",
    GET_LOCATION = "/google.cloud.location.Locations/GetLocation",
    LIST_LOCATIONS = "/google.cloud.location.Locations/ListLocations",
    GET_IAM_POLICY = "/google.iam.v1.IAMPolicy/GetIamPolicy",
    SET_IAM_POLICY = "/google.iam.v1.IAMPolicy/SetIamPolicy",
    TEST_IAM_PERMISSIONS = "/google.iam.v1.IAMPolicy/TestIamPermissions",
    CANCEL_OPERATION = "/google.longrunning.Operations/CancelOperation",
    DELETE_OPERATION = "/google.longrunning.Operations/DeleteOperation",
    GET_OPERATION = "/google.longrunning.Operations/GetOperation",
    LIST_OPERATIONS = "/google.longrunning.Operations/ListOperations",
    WAIT_OPERATION = "/google.longrunning.Operations/WaitOperation",
}

const fn known(path: &str) -> &'static Method {
    let mut index = 0;
    while index < METHODS.len() {
        if let Cow::Borrowed(known) = METHODS[index].path
            && same(known.as_bytes(), path.as_bytes())
        {
            return &METHODS[index];
        }
        index += 1;
    }
    panic!("the table has no such method")
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    let mut index = 0;
    while index < one.len() && index < other.len() && one[index] == other[index] {
        index += 1;
    }
    index == one.len() && index == other.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_the_table_has_a_name() {
        let mut named: Vec<&str> = Method::NAMED.iter().map(|method| method.path()).collect();
        named.sort_unstable();
        let all: Vec<&str> = Method::all().iter().map(|method| method.path()).collect();
        assert_eq!(named, all);
    }
}
