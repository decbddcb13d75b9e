/* test_safety_damage.c - the voting state under kill -9, damage, copies and failing writes: a start sees the last state
 * that was told, or refuses.
 */
#include "tests/unit/consensusd/samples.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/edge/log.h"
#include "common/edge/store.h"
#include "common/edge/voted_mark.h"
#include "common/edge/voting_store.h"
#include "services/consensusd/safety_store.h"
#include "services/consensusd/safety_store_state.h"

struct story {
    char directory[32];
    char path[64], file[96], journal[96], mark[64], copy[96], journal_copy[96];
    struct safety_store *store;
};

static struct safety_store_options options_of(const struct story *s)
{
    struct safety_store_options options = {
        .path = s->path, .map_bytes_max = (uint64_t)256 << 20, .chain_id = sample_hash(0xc1), .mark_path = s->mark};
    memset(options.key.bytes, 0x11, sizeof options.key.bytes);
    return options;
}

static int open_rc(struct story *s)
{
    struct safety_store_options options = options_of(s);
    return safety_store_open(&s->store, &options);
}

/* With RECOVER_ABOVE_VIEW. */
static int open_above_rc(struct story *s, uint64_t floor_view)
{
    struct safety_store_options options = options_of(s);
    options.floor_view = floor_view;
    return safety_store_open(&s->store, &options);
}

static void start(struct story *s)
{
    assert_int_equal(open_rc(s), 0);
}

static int setup(void **state)
{
    struct story *s = calloc(1, sizeof *s);
    if (!s)
        return -1;
    snprintf(s->directory, sizeof s->directory, "/tmp/safety-XXXXXX");
    if (!mkdtemp(s->directory))
        return -1;
    snprintf(s->path, sizeof s->path, "%s/data", s->directory);
    snprintf(s->file, sizeof s->file, "%s/data.mdb", s->path);
    snprintf(s->journal, sizeof s->journal, "%s/journal", s->path);
    snprintf(s->journal_copy, sizeof s->journal_copy, "%s/journal", s->directory);
    snprintf(s->mark, sizeof s->mark, "%s/key.voted", s->directory);
    snprintf(s->copy, sizeof s->copy, "%s/copy", s->directory);
    start(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct story *s = *state;
    safety_store_close(&s->store);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", s->directory);
    int rc = system(command);
    free(s);
    return rc;
}

static int vote_rc(struct story *s, uint64_t view)
{
    static const struct span bodies[] = {{.data = (const uint8_t *)"one", .size = 3}};
    struct consensus_voting voting = sample_voting(view);
    struct block_header header = sample_header(view, 1);
    struct hash id = sample_hash((uint8_t)view);
    struct qc justify = sample_qc(view - 1, 3);
    struct safety_store_vote vote = {
        .voting = &voting, .header = &header, .id = &id, .justify = &justify, .bodies = bodies, .body_count = 1};
    return safety_store_vote(s->store, &vote);
}

static void vote_in(struct story *s, uint64_t view)
{
    assert_int_equal(vote_rc(s, view), 0);
}

static uint64_t voted_view(const struct story *s)
{
    const struct consensus_voting *voting = safety_store_voting(s->store);
    return voting ? voting->last_voted_view : 0;
}

static uint64_t marked_view(const struct story *s)
{
    struct voted_mark mark;
    assert_int_equal(voted_mark_read(&mark, s->mark), 0);
    return mark.last_voted_view;
}

static void copy_file(const char *to, const char *from)
{
    static uint8_t bytes[JOURNAL_BYTES + 1];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t size = read(in, bytes, sizeof bytes);
    assert_true(size > 0 && size < (ssize_t)sizeof bytes);
    assert_int_equal(write(out, bytes, (size_t)size), size);
    close(in);
    close(out);
}

/* --- kill -9 ------------------------------------------------------------------------------------------------------ */

static void vote_until_killed(struct story *s, int out, uint64_t view)
{
    start(s);
    for (;; view++) {
        if (vote_rc(s, view) != 0 || write(out, &view, sizeof view) != sizeof view)
            _exit(1);
    }
}

static void every_vote_told_before_kill_9_is_known_after_it(void **state)
{
    struct story *s = *state;
    uint64_t told = 9;
    for (unsigned round = 0; round < 6; round++) {
        safety_store_close(&s->store);
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        if (child == 0)
            vote_until_killed(s, fds[1], told + 1);
        close(fds[1]);
        uint64_t view = 0, until = told + 10 + round * 7;
        while (told < until && read(fds[0], &view, sizeof view) == sizeof view)
            told = view;
        assert_int_equal(kill(child, SIGKILL), 0);
        while (read(fds[0], &view, sizeof view) == sizeof view)
            told = view;
        close(fds[0]);
        waitpid(child, NULL, 0);
        assert_true(told >= until);
        start(s);
        assert_true(voted_view(s) >= told && voted_view(s) <= told + 1);
        told = voted_view(s);
    }
}

/* --- damage ------------------------------------------------------------------------------------------------------- */

static void flip(const char *file, off_t at, uint8_t mask)
{
    int fd = open(file, O_RDWR);
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= mask;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* A flipped bit is harmless or ends the start; the state is never another one. In a process of its own: what is read is
 * tried before, but LMDB may end the process where only its writing meets the damage. */
static bool refused_after_flip(struct story *s, off_t at, uint8_t mask)
{
    copy_file(s->file, s->copy);
    flip(s->file, at, mask);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        if (open_rc(s) != 0)
            _exit(1);
        _exit(voted_view(s) == 21 ? 0 : 2);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        assert_int_not_equal(WEXITSTATUS(status), 2);
    return status != 0;
}

static void a_flipped_bit_anywhere_is_refused_or_harmless(void **state)
{
    struct story *s = *state;
    vote_in(s, 20);
    vote_in(s, 21);
    safety_store_close(&s->store);
    copy_file(s->copy, s->file);
    char mark_copy[96];
    snprintf(mark_copy, sizeof mark_copy, "%s/mark", s->directory);
    copy_file(mark_copy, s->mark);
    struct stat status;
    assert_int_equal(stat(s->file, &status), 0);
    size_t refused = 0, tried = 0;
    /* The two meta pages' used bytes, each with one bit; then every 97th byte of the rest. */
    for (off_t at = 0; at < status.st_size; at += at < 160 || (at >= 4096 && at < 4096 + 160) ? 1 : 97) {
        copy_file(s->mark, mark_copy);
        refused += refused_after_flip(s, at, (uint8_t)(1 << (at % 8))) ? 1 : 0;
        tried++;
    }
    assert_true(tried > 500 && refused > 20);
}

static void a_flipped_bit_in_the_voting_record_is_refused(void **state)
{
    struct story *s = *state;
    vote_in(s, 20);
    assert_int_equal(safety_store_flush(s->store), 0);
    safety_store_close(&s->store);
    uint8_t page[4096];
    struct signature vote = sample_signature(0x77);
    size_t changed = 0;
    int fd = open(s->file, O_RDWR);
    for (off_t at = 0; pread(fd, page, sizeof page, at) == (ssize_t)sizeof page; at += (off_t)sizeof page) {
        for (size_t i = 0; i + SIGN_BYTES < sizeof page; i++) {
            if (memcmp(page + i, vote.bytes, SIGN_BYTES) != 0)
                continue;
            flip(s->file, at + (off_t)i, 1);
            changed++;
        }
    }
    close(fd);
    assert_true(changed > 0);
    assert_int_equal(open_rc(s), ERR_CORRUPT);
}

/* The record alone is gone: a new one would have forgotten the votes. */
static void a_store_without_its_record_is_refused(void **state)
{
    struct story *s = *state;
    const struct block_header genesis = sample_header(0, 0);
    assert_int_equal(safety_store_set_genesis(s->store, &genesis), 0);
    const struct store_op op = {.kind = STORE_DELETE, .table = s->store->meta, .key = store_key_text(VOTING_STORE_KEY)};
    assert_int_equal(store_write(s->store->store, &op, 1), 0);
    safety_store_close(&s->store);
    assert_int_equal(open_rc(s), ERR_CORRUPT);
}

static void a_file_cut_short_is_refused(void **state)
{
    struct story *s = *state;
    vote_in(s, 20);
    safety_store_close(&s->store);
    copy_file(s->copy, s->file);
    struct stat status;
    assert_int_equal(stat(s->file, &status), 0);
    for (off_t size = 0; size < status.st_size; size += 4096) {
        copy_file(s->file, s->copy);
        assert_int_equal(truncate(s->file, size), 0);
        int rc = open_rc(s);
        if (rc == 0) /* what is missing is of no use */
            assert_int_equal(voted_view(s), 20);
        else if (size == 0)
            assert_int_equal(rc, ERR_CONFIG); /* as a new store, but the mark says that it was used */
        safety_store_close(&s->store);
        if (size > 0 && size <= 8192)
            assert_int_not_equal(rc, 0);
    }
}

/* --- copies ------------------------------------------------------------------------------------------------------- */

static void an_older_copy_is_refused(void **state)
{
    struct story *s = *state;
    vote_in(s, 20);
    assert_int_equal(safety_store_flush(s->store), 0);
    copy_file(s->copy, s->file);
    copy_file(s->journal_copy, s->journal);
    vote_in(s, 21);
    assert_int_equal(safety_store_flush(s->store), 0);
    safety_store_close(&s->store);
    copy_file(s->file, s->copy);
    copy_file(s->journal, s->journal_copy);
    assert_int_equal(open_rc(s), ERR_CONFIG);
    assert_int_equal(unlink(s->file), 0); /* and so is an empty one */
    assert_int_equal(open_rc(s), ERR_CONFIG);
}

/* --- the journal -------------------------------------------------------------------------------------------------- */

/* The store is as old as it was; what was voted for since is in the journal alone. */
static void an_older_journal_is_refused(void **state)
{
    struct story *s = *state;
    vote_in(s, 20);
    copy_file(s->journal_copy, s->journal);
    vote_in(s, 21);
    safety_store_close(&s->store);
    copy_file(s->journal, s->journal_copy);
    assert_int_equal(open_rc(s), ERR_CONFIG);
    assert_int_equal(unlink(s->journal), 0); /* and so is none */
    assert_int_equal(open_rc(s), ERR_CONFIG);
}

/* What is missing may be the timeout. */
static void an_older_journal_of_the_same_view_is_refused(void **state)
{
    struct story *s = *state;
    vote_in(s, 20);
    copy_file(s->journal_copy, s->journal);
    vote_in(s, 20);
    safety_store_close(&s->store);
    copy_file(s->journal, s->journal_copy);
    assert_int_equal(open_rc(s), ERR_CONFIG);
}

/* By the journal alone: it says that the store was written once more. */
static void a_store_older_than_its_journal_is_refused(void **state)
{
    struct story *s = *state;
    struct safety_store_options options = options_of(s);
    options.mark_path = NULL;
    vote_in(s, 20);
    copy_file(s->copy, s->file);
    assert_int_equal(safety_store_flush(s->store), 0);
    vote_in(s, 21);
    safety_store_close(&s->store);
    struct voting_record record;
    const char *why = "";
    copy_file(s->file, s->copy);
    assert_int_equal(voting_store_look(&record, s->path, &why), ERR_CORRUPT);
    assert_string_equal(why, "the file is older than the journal beside it");
    assert_int_equal(safety_store_open(&s->store, &options), ERR_CONFIG);
    options.floor_view = 20; /* below what the journal has */
    assert_int_equal(safety_store_open(&s->store, &options), ERR_CONFIG);
    assert_int_equal(unlink(s->file), 0);
    assert_int_equal(safety_store_open(&s->store, &options), ERR_CONFIG);
    options.floor_view = 21;
    assert_int_equal(safety_store_open(&s->store, &options), 0);
    assert_null(safety_store_voting(s->store));
    safety_store_close(&s->store);
    options.floor_view = 0;
    assert_int_equal(safety_store_open(&s->store, &options), 0);
    assert_int_equal(safety_store_floor_view(s->store), 21);
}

static void a_journal_with_a_hole_is_refused(void **state)
{
    struct story *s = *state;
    vote_in(s, 20);
    vote_in(s, 21);
    safety_store_close(&s->store);
    flip(s->journal, 100, 1);
    assert_int_equal(open_rc(s), ERR_CORRUPT);
    struct voting_record record;
    const char *why = "";
    assert_int_equal(voting_store_look(&record, s->path, &why), ERR_CORRUPT);
    assert_string_equal(why, "the journal beside the file is damaged or of another store");
    flip(s->journal, 100, 1);
    start(s);
    assert_int_equal(voted_view(s), 21);
}

/* The last one may have been torn by a power failure; whether it was told, the mark says. */
static void a_damaged_last_entry_is_refused_if_it_was_told(void **state)
{
    struct story *s = *state;
    char mark_copy[96];
    snprintf(mark_copy, sizeof mark_copy, "%s/mark", s->directory);
    vote_in(s, 20);
    copy_file(mark_copy, s->mark);
    vote_in(s, 21);
    safety_store_close(&s->store);
    flip(s->journal, JOURNAL_SLOT_BYTES + 100, 1);
    assert_int_equal(open_rc(s), ERR_CONFIG);
    copy_file(s->mark, mark_copy);
    start(s);
    assert_int_equal(voted_view(s), 20);
}

/* Of the same write by its number, but of another validator, chain or run. */
static void a_journal_of_another_store_is_refused(void **state)
{
    struct story *s = *state;
    struct voting_record *record = &s->store->record;
    const struct voting_record own = *record;
    for (unsigned way = 0; way < 3; way++) {
        record->key.bytes[0] ^= way == 0;
        record->chain_id.bytes[0] ^= way == 1;
        record->starts += way == 2;
        vote_in(s, 20);
        copy_file(s->journal_copy, s->journal);
        *record = own;
        journal_close(&s->store->journal);
        assert_int_equal(journal_open(&s->store->journal, s->journal), 0);
        safety_store_close(&s->store);
        copy_file(s->copy, s->file);
        copy_file(s->journal, s->journal_copy);
        assert_int_equal(open_rc(s), ERR_CORRUPT);
        assert_int_equal(unlink(s->file), 0);
        assert_int_equal(unlink(s->journal), 0);
        assert_int_equal(unlink(s->mark), 0);
        start(s);
        record = &s->store->record;
    }
}

/* An entry is whole and what it says makes no sense: not of this program. */
static void an_entry_that_cannot_be_read_is_refused(void **state)
{
    struct story *s = *state;
    uint8_t bytes[VOTING_RECORD_BYTES_MAX + 64];
    const uint8_t tails[][22] = {{STORE_PUT}, {STORE_PUT, 5}, {STORE_PUT, 0, [13] = 9}, {STORE_PUT, 0, [17] = 9}};
    const size_t sizes[] = {1, 18, 18, 18};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct bytes_writer writer = bytes_writer_of(bytes, sizeof bytes);
        voting_store_put_entry(&writer, &s->store->record);
        bytes_put(&writer, tails[i], sizes[i]);
        uint32_t index;
        assert_int_equal(journal_append(&s->store->journal, s->store->record.sequence, bytes_written(&writer), &index),
                         0);
        safety_store_close(&s->store);
        assert_int_equal(open_rc(s), ERR_CORRUPT);
        assert_int_equal(unlink(s->journal), 0);
        start(s);
    }
}

/* Many votes, a few writes of the store between them, and no end that is told: nothing is forgotten. */
static void whatever_the_journal_has_room_for_the_last_vote_is_known(void **state)
{
    struct story *s = *state;
    for (uint64_t view = 20; view < 20 + 3 * JOURNAL_ENTRY_COUNT_MAX; view++) {
        vote_in(s, view);
        if (view % 11 == 0)
            assert_int_equal(safety_store_flush(s->store), 0);
        if (view % 7 == 0) {
            safety_store_close(&s->store);
            start(s);
        }
        assert_int_equal(voted_view(s), view);
        assert_int_equal(marked_view(s), view);
    }
}

static void a_used_store_wants_its_mark(void **state)
{
    struct story *s = *state;
    vote_in(s, 20);
    safety_store_close(&s->store);
    assert_int_equal(unlink(s->mark), 0);
    assert_int_equal(open_rc(s), ERR_CONFIG);
    assert_int_equal(open_above_rc(s, 20), ERR_CONFIG);
    FILE *file = fopen(s->mark, "w");
    fputs("no mark", file);
    fclose(file);
    assert_int_equal(open_rc(s), ERR_CORRUPT);
    assert_int_equal(open_above_rc(s, 20), ERR_CORRUPT);
    assert_int_equal(open_above_rc(s, 21), 0);
    assert_int_equal(marked_view(s), 21);
}

/* Of the same view, but not the last write: what is missing may be the timeout. */
static void an_older_copy_of_the_same_view_is_refused(void **state)
{
    struct story *s = *state;
    struct hash offender = sample_hash(9);
    vote_in(s, 20);
    copy_file(s->copy, s->file);
    copy_file(s->journal_copy, s->journal);
    assert_int_equal(safety_store_put_evidence(s->store, &offender, span_text("proof")), 0);
    safety_store_close(&s->store);
    copy_file(s->file, s->copy);
    copy_file(s->journal, s->journal_copy);
    assert_int_equal(open_rc(s), ERR_CONFIG);
}

/* The number of writes stands behind the domain, the chain's id, the key and the number of starts. */
static unsigned newest_slot(const struct story *s)
{
    uint64_t sequences[2];
    int fd = open(s->mark, O_RDONLY);
    for (unsigned slot = 0; slot < 2; slot++)
        assert_int_equal(pread(fd, &sequences[slot], 8, (off_t)slot * 512 + 24 + 32 + 32 + 8), 8);
    close(fd);
    return be64toh(sequences[1]) > be64toh(sequences[0]) ? 1 : 0;
}

static void a_torn_mark_is_the_one_before_it(void **state)
{
    struct story *s = *state;
    vote_in(s, 20);
    vote_in(s, 21);
    struct voted_mark mark;
    assert_int_equal(voted_mark_read(&mark, s->mark), 0);
    assert_int_equal(mark.last_voted_view, 21);
    flip(s->mark, (off_t)newest_slot(s) * 512 + 40, 1);
    assert_int_equal(voted_mark_read(&mark, s->mark), 0);
    assert_int_equal(mark.last_voted_view, 20);
    safety_store_close(&s->store);
    start(s);
    assert_int_equal(voted_view(s), 21);
}

/* A timeout is signed, too: the mark has the last view that the key signed in. */
static void the_mark_has_the_last_view_signed_in(void **state)
{
    struct story *s = *state;
    struct consensus_voting voting = sample_voting(20);
    voting.last_voted_view = voting.timeout_view = 25;
    struct safety_store_vote vote = {.voting = &voting};
    assert_int_equal(safety_store_vote(s->store, &vote), 0);
    assert_int_equal(marked_view(s), 25);
}

/* The operator says that the state was lost, with a view that the mark does not contradict. */
static void a_lost_state_comes_back_with_a_floor(void **state)
{
    struct story *s = *state;
    vote_in(s, 20);
    safety_store_close(&s->store);
    assert_int_equal(unlink(s->file), 0);
    assert_int_equal(open_above_rc(s, 19), ERR_CONFIG);
    assert_int_equal(open_above_rc(s, 20), 0);
    assert_int_equal(safety_store_floor_view(s->store), 20);
    assert_null(safety_store_voting(s->store));
    safety_store_close(&s->store);
    start(s); /* the floor is kept */
    assert_int_equal(safety_store_floor_view(s->store), 20);
    assert_int_equal(marked_view(s), 20);
}

/* Put a mark in the place of the store's own. */
static void replace_mark(struct story *s, const struct voted_mark *mark)
{
    struct voted_mark_file file;
    safety_store_close(&s->store);
    assert_int_equal(unlink(s->mark), 0);
    assert_int_equal(voted_mark_open(&file, s->mark, mark), 0);
    voted_mark_close(&file);
}

static void another_validators_mark_is_refused(void **state)
{
    struct story *s = *state;
    const struct safety_store_options options = options_of(s);
    struct voted_mark mark = {.chain_id = options.chain_id, .key = options.key, .starts = 1};
    mark.key.bytes[SIGN_PUBLIC_BYTES - 1] ^= 1;
    replace_mark(s, &mark);
    assert_int_equal(open_rc(s), ERR_CONFIG);
    mark = (struct voted_mark){.chain_id = sample_hash(0xc2), .key = options.key, .starts = 1};
    replace_mark(s, &mark);
    assert_int_equal(open_rc(s), ERR_CONFIG);
    mark.chain_id = options.chain_id;
    replace_mark(s, &mark);
    assert_int_equal(open_rc(s), 0);
}

/* However often the store was written. */
static void a_mark_of_a_higher_view_is_believed(void **state)
{
    struct story *s = *state;
    const struct safety_store_options options = options_of(s);
    const struct voted_mark mark = {
        .chain_id = options.chain_id, .key = options.key, .starts = 1, .last_voted_view = 21};
    vote_in(s, 20);
    replace_mark(s, &mark);
    assert_int_equal(open_rc(s), ERR_CONFIG);
}

/* --- a reader beside the daemon ----------------------------------------------------------------------------------- */

static void the_record_can_be_looked_at_while_it_is_written(void **state)
{
    struct story *s = *state;
    vote_in(s, 20);
    struct voting_record record;
    const char *why = "";
    assert_int_equal(voting_store_look(&record, s->path, &why), 0);
    assert_int_equal(record.voting.last_voted_view, 20);
    assert_int_equal(record.starts, 1);
    vote_in(s, 21);
    assert_int_equal(voting_store_look(&record, s->path, &why), 0);
    assert_int_equal(record.voting.last_voted_view, 21);
    assert_int_equal(voting_store_look(&record, s->directory, &why), -ENOENT);
}

/* --- failing operations ------------------------------------------------------------------------------------------- */

static int fail_at; /* counts down; 0: nothing fails */
static unsigned marks_synced;

static bool fails(void)
{
    return fail_at > 0 && --fail_at == 0;
}

int __real_store_write(struct store *self, const struct store_op *ops, size_t count);
int __wrap_store_write(struct store *self, const struct store_op *ops, size_t count);
int __wrap_store_write(struct store *self, const struct store_op *ops, size_t count)
{
    return fails() ? -EIO : __real_store_write(self, ops, count);
}

int __real_store_table_open(struct store *self, const char *name, enum store_keys keys, struct store_table *out);
int __wrap_store_table_open(struct store *self, const char *name, enum store_keys keys, struct store_table *out);
int __wrap_store_table_open(struct store *self, const char *name, enum store_keys keys, struct store_table *out)
{
    return fails() ? -EIO : __real_store_table_open(self, name, keys, out);
}

int __real_store_get(struct store *self, struct store_table table, struct store_key key, store_visit_fn *visit,
                     void *context);
int __wrap_store_get(struct store *self, struct store_table table, struct store_key key, store_visit_fn *visit,
                     void *context);
int __wrap_store_get(struct store *self, struct store_table table, struct store_key key, store_visit_fn *visit,
                     void *context)
{
    return fails() ? -EIO : __real_store_get(self, table, key, visit, context);
}

int __real_voted_mark_write(struct voted_mark_file *file, const struct voted_mark *mark, bool sync);
int __wrap_voted_mark_write(struct voted_mark_file *file, const struct voted_mark *mark, bool sync);
int __wrap_voted_mark_write(struct voted_mark_file *file, const struct voted_mark *mark, bool sync)
{
    marks_synced += sync;
    return fails() ? -EIO : __real_voted_mark_write(file, mark, sync);
}

int __real_voted_mark_open(struct voted_mark_file *out, const char *path, const struct voted_mark *first);
int __wrap_voted_mark_open(struct voted_mark_file *out, const char *path, const struct voted_mark *first);
int __wrap_voted_mark_open(struct voted_mark_file *out, const char *path, const struct voted_mark *first)
{
    return fails() ? -EIO : __real_voted_mark_open(out, path, first);
}

int __real_journal_load(struct journal_content *out, const char *path);
int __wrap_journal_load(struct journal_content *out, const char *path);
int __wrap_journal_load(struct journal_content *out, const char *path)
{
    return fails() ? -EIO : __real_journal_load(out, path);
}

int __real_journal_open(struct journal *out, const char *path);
int __wrap_journal_open(struct journal *out, const char *path);
int __wrap_journal_open(struct journal *out, const char *path)
{
    return fails() ? -EIO : __real_journal_open(out, path);
}

int __real_journal_append(struct journal *self, uint64_t generation, struct span payload, uint32_t *index);
int __wrap_journal_append(struct journal *self, uint64_t generation, struct span payload, uint32_t *index);
int __wrap_journal_append(struct journal *self, uint64_t generation, struct span payload, uint32_t *index)
{
    return fails() ? -EIO : __real_journal_append(self, generation, payload, index);
}

/* The first, second, ... operation of a first start, a vote and a second start fails: what was not told may be lost,
 * what was told never is, and the next start without failures works. */
static void any_operation_may_fail(void **state)
{
    struct story *s = *state;
    int step = 1;
    for (bool failed = true; failed; step++) {
        safety_store_close(&s->store);
        assert_true(unlink(s->file) == 0 && (unlink(s->mark) == 0 || errno == ENOENT));
        uint64_t told = 0;
        fail_at = step;
        int rc = open_rc(s);
        rc = rc == 0 ? vote_rc(s, 20) : rc;
        told = rc == 0 ? 20 : 0;
        safety_store_close(&s->store);
        rc = rc == 0 ? open_rc(s) : rc;
        rc = rc == 0 ? vote_rc(s, 21) : rc;
        told = rc == 0 ? 21 : told;
        safety_store_close(&s->store);
        failed = fail_at == 0;
        fail_at = 0;
        assert_true(failed == (rc != 0));
        start(s);
        assert_true(voted_view(s) >= told);
    }
    assert_true(step > 15);
}

/* A power failure takes back marks, but not that the store is in use. */
static void a_start_is_in_the_mark_for_good(void **state)
{
    struct story *s = *state;
    safety_store_close(&s->store);
    marks_synced = 0;
    start(s);
    assert_int_equal(marks_synced, 1);
    vote_in(s, 20);
    assert_int_equal(marks_synced, 1);
}

/* The mark of the lost state stays until the store has the floor: else the next start would know of neither. */
static void a_lost_state_is_lost_until_the_floor_is_written(void **state)
{
    struct story *s = *state;
    char mark_copy[96];
    snprintf(mark_copy, sizeof mark_copy, "%s/mark", s->directory);
    vote_in(s, 20);
    safety_store_close(&s->store);
    copy_file(mark_copy, s->mark);
    int rc = -EIO;
    for (int step = 1; rc != 0; step++) {
        assert_int_equal(unlink(s->file), 0);
        copy_file(s->mark, mark_copy);
        fail_at = step;
        rc = open_above_rc(s, 20);
        fail_at = 0;
        safety_store_close(&s->store);
        assert_true(open_rc(s) != 0 || safety_store_floor_view(s->store) == 20);
        safety_store_close(&s->store);
    }
}

static void what_was_not_written_was_not_voted(void **state)
{
    struct story *s = *state;
    vote_in(s, 20);
    fail_at = 1;
    assert_int_equal(vote_rc(s, 21), -EIO);
    assert_int_equal(voted_view(s), 20);
    for (unsigned i = 0; i < JOURNAL_ENTRY_COUNT_MAX - 1; i++)
        vote_in(s, 21);
    fail_at = 2; /* the journal has no more room, and the store cannot be written */
    assert_int_equal(vote_rc(s, 22), -EIO);
    assert_int_equal(voted_view(s), 21);
}

/* There is no more room for what waits, and it cannot be written: then the block of the vote is not on disk. */
static void a_vote_is_not_told_without_its_block(void **state)
{
    struct story *s = *state;
    struct hash nobody = sample_hash(9);
    for (size_t i = 0; i < SAFETY_STORE_OPS_MAX; i++)
        assert_int_equal(safety_store_drop_evidence(s->store, &nobody), 0);
    fail_at = 1;
    assert_int_equal(vote_rc(s, 20), -EIO);
    assert_int_equal(voted_view(s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        STORY(every_vote_told_before_kill_9_is_known_after_it),
        STORY(a_flipped_bit_anywhere_is_refused_or_harmless),
        STORY(a_flipped_bit_in_the_voting_record_is_refused),
        STORY(a_store_without_its_record_is_refused),
        STORY(a_file_cut_short_is_refused),
        STORY(an_older_copy_is_refused),
        STORY(an_older_journal_is_refused),
        STORY(an_older_journal_of_the_same_view_is_refused),
        STORY(a_store_older_than_its_journal_is_refused),
        STORY(a_journal_with_a_hole_is_refused),
        STORY(a_damaged_last_entry_is_refused_if_it_was_told),
        STORY(a_journal_of_another_store_is_refused),
        STORY(an_entry_that_cannot_be_read_is_refused),
        STORY(whatever_the_journal_has_room_for_the_last_vote_is_known),
        STORY(a_used_store_wants_its_mark),
        STORY(an_older_copy_of_the_same_view_is_refused),
        STORY(a_torn_mark_is_the_one_before_it),
        STORY(the_mark_has_the_last_view_signed_in),
        STORY(a_lost_state_comes_back_with_a_floor),
        STORY(another_validators_mark_is_refused),
        STORY(a_mark_of_a_higher_view_is_believed),
        STORY(the_record_can_be_looked_at_while_it_is_written),
        STORY(any_operation_may_fail),
        STORY(a_start_is_in_the_mark_for_good),
        STORY(a_lost_state_is_lost_until_the_floor_is_written),
        STORY(what_was_not_written_was_not_voted),
        STORY(a_vote_is_not_told_without_its_block),
    };
    log_set_fd(open("/dev/null", O_WRONLY));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
