//! `docs/permissions.md`, from the contract.

use std::fmt::Write as _;

use domain::{Permission, Role};

use super::assert_page;

const HEAD: &str = "# Permissions

Generated from the option `(tenantry.v1.permission)` of each RPC in `proto/`; the auth layer reads the same
option. A request about the platform or about all tenants together (no parent, `global`, `verticals/…`,
`tenants/-`) needs `OPERATE`, whatever its RPC declares. A key of one tenant never reaches another.
";

#[test]
fn the_page_of_permissions_is_the_contracts() {
    let mut page = HEAD.to_owned();
    let mut last = "";
    for method in api::methods() {
        let path = method.path.trim_start_matches("/tenantry.v1.");
        let (service, rpc) = path.split_once('/').unwrap();
        if service != last {
            let table = "| RPC | permission | roles |\n|---|---|---|\n";
            write!(page, "\n## {service}\n\n{table}").unwrap();
            last = service;
        }
        let permission = method.permission.unwrap();
        let roles = [Role::Backend, Role::TenantAdmin, Role::Operator];
        let roles = roles.iter().filter(|role| role.holds(permission));
        let roles: Vec<_> = roles.map(|role| format!("`{}`", role.as_str())).collect();
        writeln!(
            page,
            "| {rpc} | `{}` | {} |",
            code(permission),
            roles.join(", ")
        )
        .unwrap();
    }
    assert_page("permissions.md", &page);
}

fn code(permission: Permission) -> &'static str {
    match permission {
        Permission::ReadContent => "READ_CONTENT",
        Permission::WriteContent => "WRITE_CONTENT",
        Permission::Serve => "SERVE",
        Permission::Administer => "ADMINISTER",
        Permission::Operate => "OPERATE",
    }
}
