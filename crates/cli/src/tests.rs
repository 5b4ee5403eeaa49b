//! The command line as a whole: that it is consistent, and that each command explains itself.

use clap::{CommandFactory as _, FromArgMatches as _, Parser};

use super::*;

/// A program with the commands of this crate alone.
#[derive(Parser)]
#[command(name = "tenantry", after_help = EXIT_CODES)]
struct Program {
    #[command(flatten)]
    _options: ClientOptions,
    #[command(subcommand)]
    _command: Command,
}

impl Program {
    fn definition() -> clap::Command {
        without_client_options(Self::command(), &["completions"])
    }
}

fn every_leaf(command: &clap::Command, path: &str, leaves: &mut Vec<(String, clap::Command)>) {
    let path = format!("{path} {}", command.get_name());
    let mut below = command
        .get_subcommands()
        .filter(|c| c.get_name() != "help")
        .peekable();
    if below.peek().is_none() {
        leaves.push((path, command.clone()));
        return;
    }
    for subcommand in below {
        every_leaf(subcommand, &path, leaves);
    }
}

#[test]
fn the_definition_is_consistent() {
    Program::definition().debug_assert();
}

#[test]
fn each_command_has_examples_and_each_option_a_description() {
    let mut leaves = Vec::new();
    every_leaf(&Program::definition(), "", &mut leaves);
    assert!(leaves.len() > 35, "{}", leaves.len());
    for (path, command) in leaves {
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(help.contains("Example"), "{path} has no example");
        for option in command
            .get_arguments()
            .filter(|option| !option.is_hide_set())
        {
            assert!(
                option.get_help().is_some(),
                "{path} {} has no description",
                option.get_id()
            );
        }
    }
}

/// An argument with the id of a global option would be taken for it.
#[test]
fn no_argument_shadows_a_global_option() {
    let mut leaves = Vec::new();
    every_leaf(&Program::definition(), "", &mut leaves);
    for (path, command) in leaves {
        for argument in command
            .get_arguments()
            .filter(|argument| !argument.is_hide_set())
        {
            let id = argument.get_id().as_str();
            assert!(
                CLIENT_OPTIONS.iter().all(|(global, _)| *global != id),
                "{path}: {id}"
            );
        }
    }
}

fn parse(line: &str) -> Result<Program, clap::Error> {
    let matches = Program::definition().try_get_matches_from(line.split(' '))?;
    Program::from_arg_matches(&matches)
}

#[test]
fn the_commands_of_the_manual_parse() {
    for line in [
        "tenantry --endpoint http://h:1 tenants list -o json",
        "tenantry tenants create acme --vertical fintech --share-for-training",
        "tenantry tenants update acme --share-for-training false",
        "tenantry items ingest -t acme a.csv --where split=train,valid --require id,text --at now",
        "tenantry items ingest -t acme - --delimiter ; --batch 1000",
        "tenantry models train -t acme --wait --dataset 3 --seed 7",
        "tenantry models rollback -t acme --reason x",
        "tenantry models train -t acme --search 16 --wait",
        "tenantry models reproduce --of global 3",
        "tenantry models prune -t acme --keep 3 --dry-run",
        "tenantry models trials -t acme 4 -o csv",
        "tenantry feedback -t a --request r --rejected bob --reassigned-to anna",
        "tenantry feedback withdraw-correction -t a intent --request r",
        "tenantry experts rename -t a anna anna.kaya",
        "tenantry experts merge -t a anna ann --into anna.kaya",
        "tenantry experts unmerge -t a 3",
        "tenantry experts delete -t a bob eve --from-items",
        "tenantry labels rename -t a --task intent refund repayment",
        "tenantry labels merge -t a one two --into three",
        "tenantry audit list --all",
        "tenantry recommend -t acme question -k 3 --timeout 5",
        "tenantry recommend -t acme --item q-17 --allow-stale",
        "tenantry recommend -t acme --batch questions.csv -o json",
        "tenantry items list -t acme --open --limit 20",
        "tenantry costs report --tenant - --month 2026-11 --by service -o csv",
        "tenantry costs report --tenant acme -o html",
        "tenantry costs usage -t acme --from 2026-11-01 --to 2026-11-02T10:00:00Z --hourly",
        "tenantry costs export --month 2026-10 --format focus-parquet --out x.parquet",
        "tenantry costs prices set prices.json --dry-run",
        "tenantry costs prices example -o json",
        "tenantry costs budget set -t acme 500",
        "tenantry costs budget clear -t -",
        "tenantry tenants update acme --value-per-accepted 1.20",
        "tenantry routing auto -t acme --require-cost-effective",
        "tenantry routing worth -t acme --off",
    ] {
        let parsed = parse(line);
        assert!(
            parsed.is_ok(),
            "{line}: {}",
            parsed.err().map(|e| e.to_string()).unwrap_or_default()
        );
    }
    for line in [
        "tenantry feedback -t a --request r",
        "tenantry feedback -t a --request r --accepted a --rejected b",
        "tenantry experts merge -t a anna",
        "tenantry experts delete -t a",
        "tenantry labels merge -t a --into three",
        "tenantry items ingest -t acme a.csv --where split",
        "tenantry items ingest -t acme a.csv --batch 1001",
        "tenantry models promote -t acme 3",
        "tenantry models train -t acme --search 33",
        "tenantry models prune -t acme --keep 0",
        "tenantry recommend -t acme q --top-k 101",
        "tenantry recommend -t acme",
        "tenantry recommend -t acme q --item q-17",
        "tenantry recommend -t acme --batch q.csv --item q-17",
        "tenantry recommend -t acme q --allow-stale",
        "tenantry items list -t acme --open --area security",
        "tenantry costs report --by tenant",
        "tenantry costs usage -t acme --from yesterday",
        "tenantry costs export --format xlsx",
        "tenantry completions bash --endpoint http://h:1",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}
