/* safety.c - `cybermeshctl safety`: what a validator's key signed last, from consensusd's store and from the mark
 * beside the key. Reads only, and may run beside the daemon.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/base/hex.h"
#include "common/edge/voted_mark.h"
#include "common/edge/voting_store.h"
#include "services/cybermeshctl/ctl.h"

static json_t *hex_json(const uint8_t *bytes, size_t size)
{
    char text[2 * SIGN_BYTES + 1];
    hex_encode(text, bytes, size);
    return json_string(text);
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *qc_json(const struct qc *qc)
{
    json_t *signers = json_array();
    for (uint32_t i = 0; i < qc->signature_count; i++)
        json_array_append_new(signers, number(qc->signatures[i].validator));
    return json_pack("{s:o, s:o, s:o, s:o}", "view", number(qc->view), "height", number(qc->height), "block_id",
                     hex_json(qc->block_id.bytes, HASH_BYTES), "signers", signers);
}

static json_t *tc_json(const struct tc *tc)
{
    json_t *signers = json_array();
    for (uint32_t i = 0; i < tc->signature_count; i++)
        json_array_append_new(signers, number(tc->signatures[i].validator));
    return json_pack("{s:o, s:o, s:o}", "view", number(tc->view), "high_qc_view", number(tc->high_qc.view), "signers",
                     signers);
}

static void add_voting(json_t *to, const struct consensus_voting *voting)
{
    json_object_set_new(to, "last_vote",
                        voting->has_vote ? json_pack("{s:o, s:o, s:o}", "view", number(voting->vote_view), "height",
                                                     number(voting->vote_height), "block_id",
                                                     hex_json(voting->vote_block_id.bytes, HASH_BYTES))
                                         : json_null());
    json_object_set_new(to, "last_timeout",
                        voting->has_timeout ? json_pack("{s:o, s:o}", "view", number(voting->timeout_view),
                                                        "high_qc_view", number(voting->timeout_high_qc_view))
                                            : json_null());
    json_object_set_new(to, "high_qc", qc_json(&voting->high_qc));
    json_object_set_new(to, "high_tc", voting->has_tc ? tc_json(&voting->high_tc) : json_null());
}

static json_t *record_json(const struct voting_record *record)
{
    json_t *out =
        json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "checksum_ok", 1, "chain_id",
                  hex_json(record->chain_id.bytes, HASH_BYTES), "key", hex_json(record->key.bytes, SIGN_PUBLIC_BYTES),
                  "starts", number(record->starts), "sequence", number(voting_record_number(record)), "floor_view",
                  number(record->floor_view), "has_voted", record->has_voting, "last_voted_view",
                  number(record->has_voting ? record->voting.last_voted_view : 0));
    if (out && record->has_voting)
        add_voting(out, &record->voting);
    return out;
}

/* The mark follows the store, so it is read before it: then it is never ahead of a good store, used or not. */
struct mark {
    const char *path; /* NULL: not asked for */
    struct voted_mark content;
    int rc;
};

/* The member `mark`. Returns false when it shows that the store is not the newest. */
static bool add_mark(json_t *to, const struct voting_record *record, const struct mark *mark)
{
    if (mark->rc < 0) {
        json_object_set_new(to, "mark", json_pack("{s:s, s:s}", "file", mark->path, "error", err_text(mark->rc)));
        return false;
    }
    const struct voted_mark *content = &mark->content;
    uint64_t voted_view = record->has_voting ? record->voting.last_voted_view : 0;
    bool same = hash_equal(&content->chain_id, &record->chain_id) &&
                memcmp(content->key.bytes, record->key.bytes, SIGN_PUBLIC_BYTES) == 0;
    bool ahead = content->sequence > voting_record_number(record) || content->last_voted_view > voted_view;
    json_object_set_new(to, "mark",
                        json_pack("{s:s, s:o, s:o, s:o, s:b, s:b}", "file", mark->path, "starts",
                                  number(content->starts), "sequence", number(content->sequence), "last_voted_view",
                                  number(content->last_voted_view), "same_validator", same, "ahead_of_store", ahead));
    return same && !ahead;
}

static void print_value(const char *name, const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    const char *word = json_string_value(value);
    printf("%-16s %s\n", name, word ? word : text ? text : "");
    free(text);
}

static int show(const char *data_dir, const char *mark_path, bool json)
{
    struct voting_record record;
    struct mark mark = {.path = mark_path};
    if (mark_path)
        mark.rc = voted_mark_read(&mark.content, mark_path);
    const char *why = "";
    int rc = voting_store_look(&record, data_dir, &why);
    if (rc == ERR_CORRUPT)
        return ctl_fail(CTL_NO, "%s/data.mdb: %s", data_dir, why);
    if (rc == ERR_NOT_FOUND)
        return ctl_fail(CTL_NO, "%s/data.mdb: no voting record: no consensusd used this store yet", data_dir);
    if (rc < 0)
        return ctl_fail(CTL_USAGE, "%s/data.mdb: %s (wants the DATA_DIR of consensusd)", data_dir, err_text(rc));
    CLEANUP(json_cleanup) json_t *out = record_json(&record);
    if (!out)
        return ctl_fail(CTL_ERROR, "out of memory");
    int code = !mark_path || add_mark(out, &record, &mark) ? CTL_OK : CTL_NO;
    if (json) {
        int printed = ctl_print_json_take(json_incref(out));
        return printed == CTL_OK ? code : printed;
    }
    const char *name;
    json_t *value;
    json_object_foreach(out, name, value) print_value(name, value);
    return code;
}

static int run(int argc, char *argv[])
{
    bool json = false;
    const char *data_dir = NULL, *mark = NULL;
    for (int i = 1; i < argc; i += 2) {
        int rc = CTL_OK;
        if (i + 1 < argc && strcmp(argv[i], "--data-dir") == 0)
            data_dir = argv[i + 1];
        else if (i + 1 < argc && strcmp(argv[i], "--mark") == 0)
            mark = argv[i + 1];
        else if (i + 1 < argc && strcmp(argv[i], "-o") == 0)
            rc = ctl_output(&json, argv[i + 1]);
        else
            rc = ctl_fail(CTL_USAGE, "safety: '%s' is not understood; see cybermeshctl safety --help", argv[i]);
        if (rc != CTL_OK)
            return rc;
    }
    if (!data_dir)
        return ctl_fail(CTL_USAGE, "safety: --data-dir is missing");
    return show(data_dir, mark, json);
}

const struct ctl_verb ctl_safety = {
    .name = "safety",
    .summary = "what a validator's key voted for last, from consensusd's store.",
    .help = "usage: cybermeshctl safety --data-dir DIR [--mark FILE] [-o json]\n\n"
            "DIR is the DATA_DIR of consensusd, FILE its VOTED_MARK_FILE (by default SIGN_KEY_FILE with .voted behind\n"
            "it). Reads only; the daemon may run.\n"
            "Exit 0: the record is whole and, with --mark, not older than the mark; 1: it is not; 2: no such store.\n",
    .run = run,
};
