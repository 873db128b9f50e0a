//! Command lines that make no sense are one line each, which says what to do, and code 2.

use crate::command::run;

#[track_caller]
fn check(line: &str, expect: &str) {
    let args: Vec<&str> = line.split_whitespace().map(|word| word.trim_matches('\'')).collect();
    assert_eq!(run(&args).refused(2), expect, "{line}");
}

#[test]
fn what_makes_no_sense_is_told_in_one_line() {
    check(
        "topik",
        "unrecognized subcommand 'topik'; a similar subcommand exists: 'topic' (see `ringmain --help`)",
    );
    check(
        "topic creat x",
        "unrecognized subcommand 'creat'; a similar subcommand exists: 'create' (see `ringmain topic --help`)",
    );
    check(
        "produce",
        "the following required arguments were not provided: --topic <NAME> (see `ringmain produce --help`)",
    );
    check(
        "produce --topik x",
        "unexpected argument '--topik' found; a similar argument exists: '--topic' (see `ringmain produce --help`)",
    );
    check(
        "produce -t x --codec rar",
        "invalid value 'rar' for '--codec <CODEC>' [possible values: none, gzip, snappy, lz4, zstd] (see `ringmain produce --help`)",
    );
    check(
        "produce -t x --batch-bytes 1q",
        "invalid value '1q' for '--batch-bytes <SIZE>': a size is a number of bytes such as 4096, 64k or 1m (see `ringmain produce --help`)",
    );
    check(
        "produce -t x -p -1",
        "invalid value '-1' for '--partition <N>': it is a whole number from 0 (see `ringmain produce --help`)",
    );
    check(
        "produce -t x -d ''",
        "--delimiter is empty: give what ends a record, or cut by size with --chunk-bytes",
    );
    check(
        r"produce -t x -d \q",
        r"invalid value '\q' for '--delimiter <TEXT>': '\q' is no escape; these are: \n \t \r \0 \\ \xHH (see `ringmain produce --help`)",
    );
    check(
        "produce -t x --chunk-bytes 10 -k :",
        "the argument '--chunk-bytes <SIZE>' cannot be used with '--key-separator <TEXT>' (see `ringmain produce --help`)",
    );
    check(
        "consume -t x -o soon",
        "invalid value 'soon' for '--offset <WHERE>': it is earliest, latest, an offset, -N for the last N records, or @MS for a time (see `ringmain consume --help`)",
    );
    check(
        "consume -t x -f %q",
        "invalid value '%q' for '--format <FORMAT>': %q means nothing; these do: %v %k %h %t %p %o %T %V %K %% (see `ringmain consume --help`)",
    );
    check(
        "consume -t x -o 5 --from-beginning",
        "the argument '--offset <WHERE>' cannot be used with '--from-beginning' (see `ringmain consume --help`)",
    );
    check(
        "topic list -b host:port",
        "invalid value 'host:port' for '--bootstrap <HOST:PORT>': a broker is written HOST:PORT, such as 127.0.0.1:9092 or [::1]:9092 (see `ringmain topic list --help`)",
    );
    check(
        "topic alter x",
        "nothing to change: give --set KEY=VALUE, --delete KEY or --partitions N",
    );
    check(
        "topic create x --config retention.ms",
        "invalid value 'retention.ms' for '--config <KEY=VALUE>': a setting is written KEY=VALUE, such as retention.ms=86400000 (see `ringmain topic create --help`)",
    );
}

#[test]
fn every_command_has_help_with_examples() {
    let commands = [
        "",
        "serve",
        "topic",
        "topic create",
        "topic list",
        "topic describe",
        "topic alter",
        "topic delete",
        "topic fan-out",
        "produce",
        "consume",
        "log",
        "log dump",
        "log verify",
    ];
    for command in commands {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let help = run(&args).printed();
        assert!(help.contains("Usage: ringmain"), "{help}");
        assert!(!help.contains('\x1b'), "colours are for terminals");
        let group = ["", "serve", "topic", "log"].contains(&command);
        assert!(group || help.contains("Examples:"), "{command}");
    }
    let bare = run(&[]);
    assert_eq!((bare.code, bare.stderr.contains("First steps:")), (Some(2), true));
    assert_eq!(
        run(&["--version"]).printed(),
        concat!("ringmain ", env!("CARGO_PKG_VERSION"), "\n")
    );
}
