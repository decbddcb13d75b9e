"""The journal of consensusd's store: what is in it was told, and a start knows all that was told."""

from mutant import mutant

JOURNAL, FILE = "common/edge/journal.c", "common/edge/journal_file.c"
HOME = "services/consensusd/"
STORE, OPEN, ENTRIES = HOME + "safety_store.c", HOME + "safety_store_open.c", HOME + "safety_journal.c"
VOTING = "common/edge/voting_store.c"
UNIT, DAMAGE = "edge_journal", "consensusd_safety_damage"
WHOLE = "whole validators, the fixed slice"

MUTANTS = [
    # The file.
    mutant("journal-not-synced", "an entry is on disk when its write returns", UNIT, (FILE, " | O_CLOEXEC | O_DSYNC,", " | O_CLOEXEC,")),
    mutant("journal-entry-unchecked", "an entry that is not whole is none", UNIT,
           (JOURNAL, "return memcmp(check.bytes, bytes, HASH_BYTES) == 0;", "return true;")),
    mutant("journal-hole-accepted", "a damaged entry with a whole one behind it was told", (UNIT, DAMAGE),
           (JOURNAL, "rc = ended ? ERR_CORRUPT : visit(", "rc = ended ? 0 : visit(")),
    mutant("journal-hole-skipped", "what is behind a damaged entry is not read without it", (UNIT, DAMAGE),
           (JOURNAL, "rc = ended ? ERR_CORRUPT : visit(", "rc = visit(")),
    mutant("journal-generation-ignored", "what the store has already is void", UNIT,
           (JOURNAL, "entry_at(&entry, content, slot) && entry.generation == generation;", "entry_at(&entry, content, slot);")),
    mutant("journal-slot-ignored", "an entry counts in its own slot", UNIT,
           (JOURNAL, " || out->index != slot + 1)", ")")),
    mutant("journal-size-unbounded", "no entry reaches into the next slot", UNIT,
           (JOURNAL, "if (slot == JOURNAL_ENTRY_COUNT_MAX || payload.size > JOURNAL_ENTRY_BYTES_MAX)",
            "if (slot == JOURNAL_ENTRY_COUNT_MAX || payload.size > JOURNAL_ENTRY_BYTES_MAX + 1)")),
    mutant("journal-count-unbounded", "a full journal is for the store", UNIT,
           (JOURNAL, "if (slot == JOURNAL_ENTRY_COUNT_MAX || payload", "if (slot > JOURNAL_ENTRY_COUNT_MAX || payload")),
    mutant("journal-kept-over-a-start", "a start leaves nothing of the run before", UNIT,
           (FILE, "    rc = rc == 0 ? make_void(self->fd) : rc;\n", "")),
    mutant("journal-of-others", "a journal that others may write is refused", UNIT,
           (FILE, "return S_ISREG(status.st_mode) && !(status.st_mode & (S_IWGRP | S_IWOTH)) ? 0 : ERR_PERMISSIONS;",
            "return S_ISREG(status.st_mode) ? 0 : ERR_PERMISSIONS;")),
    mutant("journal-failed-write-counted", "an entry that could not be written is not told", UNIT,
           (JOURNAL, "    if (rc < 0)\n        return rc;\n    self->generation_", "    self->generation_")),

    mutant("journal-direct-or-not-at-all", "a file system that wants no direct writes gets none", UNIT,
           (FILE, "const int ways[] = {O_DIRECT, 0};", "const int ways[] = {O_DIRECT};")),

    # What the store makes of it.
    mutant("journal-not-written", "a vote is on disk before it is told", (DAMAGE, WHOLE),
           (ENTRIES, "    int rc = journal_append(&self->journal, record->sequence, bytes_written(&writer), &index);\n",
            "    int rc = 0;\n    index = 1;\n")),
    mutant("journal-told-before-written", "a vote that could not be written was not given", DAMAGE,
           (ENTRIES, "    if (rc < 0)\n        return rc;\n    self->record = *record;\n",
            "    self->record = *record;\n    if (rc < 0)\n        return rc;\n")),
    mutant("journal-without-blocks", "a vote's block is in the journal with it", ("consensusd_safety_store", WHOLE),
           (ENTRIES, "i < self->op_count && !writer.failed; i++)", "i < self->journaled_count; i++)")),
    mutant("journal-cut", "what has no room in the journal goes to the store", "consensusd_safety_store",
           (ENTRIES, "    if (writer.failed)\n        return ERR_FULL;\n", "")),
    mutant("journal-not-followed", "the voting state is that of the journal's last entry", (DAMAGE, WHOLE),
           (OPEN, "    int rc = voting_store_follow(&self->record, journal, &why);\n", "    int rc = 0;\n")),
    mutant("journal-not-replayed", "the blocks of the journal come back", ("consensusd_safety_store", WHOLE),
           (OPEN, "    rc = rc == 0 ? safety_journal_replay(self, journal) : rc;\n", "")),
    mutant("journal-void-before-the-store", "what the journal has is in the store before it is made void", DAMAGE,
           (OPEN, "    rc = rc == 0 ? begin(self, options) : rc;\n    return rc == 0 ? open_journal(self, options) : rc;\n",
            "    rc = rc == 0 ? open_journal(self, options) : rc;\n    return rc == 0 ? begin(self, options) : rc;\n")),
    mutant("journal-of-another-store", "a journal of another validator, chain or run is refused", DAMAGE,
           (VOTING, "if (rc < 0 || !is_of_same_run(&next, record))", "(void)is_of_same_run;\n    if (rc < 0)")),
    mutant("journal-ahead-accepted", "a store that is older than its journal is refused", DAMAGE,
           (OPEN, "if (!journal_is_ahead(self, journal) || floor_is_above(options->floor_view, journal))",
            "if (true || floor_is_above(options->floor_view, journal))")),
    mutant("journal-above-the-floor", "a floor below what the journal has contradicts it", DAMAGE,
           (OPEN, "return rc == 0 && floor_view > 0 && floor_view >= view;", "return rc == 0 && floor_view > 0;")),
    mutant("journal-of-a-lost-state-kept", "the journal of a lost state is void before the new one's writes reach it", DAMAGE,
           (OPEN, "    rc = rc == 0 && journal_is_ahead(self, journal) ? open_journal(self, options) : rc;\n", "")),
    mutant("journal-without-mark", "the mark follows each entry, too", DAMAGE,
           (STORE, "    return rc == 0 ? write_mark(self) : rc;\n", "    return rc;\n")),
    mutant("journal-entry-not-in-the-mark", "an older journal of the same view is refused", DAMAGE,
           ("common/base/voting.h", "return record->sequence << 16 | record->entry;", "return record->sequence << 16;")),
    mutant("journal-entry-cut-short", "an entry that cannot be read is refused", DAMAGE,
           (ENTRIES, "if (reader.failed || table >= TABLE_COUNT || self->op_count == SAFETY_STORE_OPS_MAX)",
            "if (reader.failed)\n            break;\n        if (table >= TABLE_COUNT || self->op_count == SAFETY_STORE_OPS_MAX)")),
    mutant("look-without-journal", "who looks at the store sees what the journal has", (DAMAGE, "cybermeshctl_safety"),
           (VOTING, "    return rc == 0 ? look_at_journal(out, path, why) : rc;\n", "    (void)look_at_journal;\n    return rc;\n")),
    mutant("look-between-two-writes", "a record that is behind the journal is looked at again", DAMAGE,
           (VOTING, "    if (rc == 0 && journal_generation(&journal) > record->sequence) {", "    if (false) {")),
]
