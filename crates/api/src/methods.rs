//! The RPCs of the contract, with the permission that each declares.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use domain::Permission;
use prost::Message;

use crate::{DESCRIPTORS, v1};

/// An RPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// Its path, for example `/tenantry.v1.TenantService/GetTenant`.
    pub path: String,
    /// What the role of its caller must hold; none: it declares nothing, and is refused.
    pub permission: Option<Permission>,
}

/// A request about something below a parent, for example `tenants/acme`.
pub trait HasParent {
    /// The name of the parent.
    fn parent(&self) -> &str;
}

include!(concat!(env!("OUT_DIR"), "/parents.rs"));

static METHODS: LazyLock<BTreeMap<String, Method>> = LazyLock::new(|| {
    // The bytes are made by this crate's build script; if they were broken, nothing would start.
    let set = Files::decode(DESCRIPTORS).unwrap_or_default();
    let files = set.file.into_iter();
    files
        .filter(|file| file.package == "tenantry.v1")
        .flat_map(|file| file.service)
        .flat_map(Service::methods)
        .map(|method| (method.path.clone(), method))
        .collect()
});

/// Every RPC of the contract, by path.
pub fn methods() -> impl ExactSizeIterator<Item = &'static Method> {
    METHODS.values()
}

/// The RPC with this path.
#[must_use]
pub fn method(path: &str) -> Option<&'static Method> {
    METHODS.get(path)
}

/// The part of a `google.protobuf.FileDescriptorSet` that is read here; the structs of prost-types drop
/// options that they do not know.
#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(message, repeated, tag = "1")]
    file: Vec<File>,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "6")]
    service: Vec<Service>,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    method: Vec<Rpc>,
}

#[derive(Clone, PartialEq, Message)]
struct Rpc {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "4")]
    options: Option<Options>,
}

#[derive(Clone, PartialEq, Message)]
struct Options {
    /// The number of `tenantry.v1.permission` in options.proto.
    #[prost(enumeration = "v1::Permission", tag = "50101")]
    permission: i32,
}

impl Service {
    fn methods(self) -> Vec<Method> {
        let service = self.name;
        let methods = self.method.into_iter().map(|rpc| Method {
            path: format!("/tenantry.v1.{service}/{}", rpc.name),
            permission: rpc.options.and_then(|options| options.permission().into()),
        });
        methods.collect()
    }
}

impl From<v1::Permission> for Option<Permission> {
    fn from(declared: v1::Permission) -> Self {
        Some(match declared {
            v1::Permission::Unspecified => return None,
            v1::Permission::ReadContent => Permission::ReadContent,
            v1::Permission::WriteContent => Permission::WriteContent,
            v1::Permission::Serve => Permission::Serve,
            v1::Permission::Administer => Permission::Administer,
            v1::Permission::Operate => Permission::Operate,
        })
    }
}
