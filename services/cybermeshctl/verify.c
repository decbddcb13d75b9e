/* verify.c - `cybermeshctl verify`: check commit, transaction and state proofs against the genesis file alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <sodium.h>

#include "common/base/block.h"
#include "common/base/cert.h"
#include "common/base/err.h"
#include "common/base/hex.h"
#include "common/base/merkle.h"
#include "common/base/stateproof.h"
#include "common/edge/genesis_file.h"
#include "services/cybermeshctl/ctl.h"

enum { URL_BYTES = 2048, WHY_BYTES = 256, VALUE_BYTES_MAX = 1 << 20 };

struct subject {
    const struct genesis *genesis;
    const json_t *proof;
    const char *expected_tx; /* what was asked for, when an apid was asked; NULL: whatever the proof is about */
    const char *expected_key;
    json_int_t expected_height; /* -1: any */
    char why[WHY_BYTES];
    json_t *facts; /* what was proved */
};

static int bad(struct subject *subject, const char *why)
{
    snprintf(subject->why, sizeof subject->why, "%s", why);
    return CTL_NO;
}

static bool get_hex(uint8_t *out, size_t size, const json_t *object, const char *name)
{
    const char *text = json_string_value(name ? json_object_get(object, name) : object);
    return text && hex_decode(out, size, text) == 0;
}

static bool get_u64(uint64_t *out, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

/* Standard base64 with padding into a new buffer. */
static bool get_base64(uint8_t **out, size_t *size, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);
    if (!text || json_string_length(value) > VALUE_BYTES_MAX)
        return false;
    size_t capacity = json_string_length(value) + 1;
    uint8_t *bytes = malloc(capacity);
    if (!bytes)
        return false;
    if (sodium_base642bin(bytes, capacity, text, json_string_length(value), NULL, size, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0) {
        free(bytes);
        return false;
    }
    *out = bytes;
    return true;
}

static bool read_qc(struct qc *out, const json_t *json)
{
    const json_t *signatures = json_object_get(json, "signatures");
    size_t count = json_array_size(signatures);
    if (!get_u64(&out->view, json, "view") || !get_u64(&out->height, json, "height") ||
        !get_hex(out->block_id.bytes, HASH_BYTES, json, "block_id") || count > CERT_SIGNERS_MAX)
        return false;
    out->signature_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        const json_t *each = json_array_get(signatures, i);
        uint64_t validator = 0;
        if (!get_u64(&validator, each, "validator") || validator >= GENESIS_VALIDATORS_MAX ||
            !get_hex(out->signatures[i].signature.bytes, SIGN_BYTES, each, "signature"))
            return false;
        out->signatures[i].validator = (uint32_t)validator;
    }
    return true;
}

static int verify_commit(struct subject *subject, const json_t *json, struct block_header *out)
{
    const json_t *headers = json_object_get(json, "headers");
    size_t count = json_array_size(headers);
    if (count < 1 || count > CERT_PROOF_HEADERS_MAX)
        return bad(subject, "commit proof: wants headers");
    struct cert_commit_proof proof = {.header_count = count};
    if (!read_qc(&proof.qc, json_object_get(json, "qc")))
        return bad(subject, "commit proof: qc is not of the form {view, height, block_id, signatures}");
    uint8_t *bytes = malloc(count * BLOCK_HEADER_BYTES);
    if (!bytes)
        return ctl_fail(CTL_ERROR, "out of memory");
    int rc = CTL_OK;
    for (size_t i = 0; i < count && rc == CTL_OK; i++) {
        if (!get_hex(bytes + i * BLOCK_HEADER_BYTES, BLOCK_HEADER_BYTES, json_array_get(headers, i), NULL))
            rc = bad(subject, "commit proof: a header is not the hex of a header's bytes");
    }
    proof.headers = bytes;
    const char *why = "";
    if (rc == CTL_OK && cert_commit_proof_verify(out, &proof, subject->genesis, &why) != 0) {
        snprintf(subject->why, sizeof subject->why, "commit proof: %s", why);
        rc = CTL_NO;
    }
    free(bytes);
    if (rc == CTL_OK && subject->expected_height >= 0 && out->height != (uint64_t)subject->expected_height)
        return bad(subject, "the proof is of another height than was asked for");
    if (rc == CTL_OK) {
        struct hash id = block_id(out);
        char id_hex[65], root_hex[65];
        hex_encode(id_hex, id.bytes, HASH_BYTES);
        hex_encode(root_hex, out->state_root.bytes, HASH_BYTES);
        json_object_set_new(subject->facts, "height", json_integer((json_int_t)out->height));
        json_object_set_new(subject->facts, "block", json_string(id_hex));
        json_object_set_new(subject->facts, "state_root", json_string(root_hex));
    }
    return rc;
}

static bool read_path(struct hash *out, size_t *count, size_t capacity, const json_t *list)
{
    *count = json_array_size(list);
    if (!json_is_array(list) || *count > capacity)
        return false;
    for (size_t i = 0; i < *count; i++) {
        if (!get_hex(out[i].bytes, HASH_BYTES, json_array_get(list, i), NULL))
            return false;
    }
    return true;
}

static int verify_transaction(struct subject *subject)
{
    struct block_header header;
    int rc = verify_commit(subject, json_object_get(subject->proof, "commit"), &header);
    if (rc != CTL_OK)
        return rc;
    struct hash tx_id, path[MERKLE_PATH_MAX];
    size_t count = 0;
    uint64_t index = 0, tx_count = 0;
    if (!get_hex(tx_id.bytes, HASH_BYTES, subject->proof, "tx_id") || !get_u64(&index, subject->proof, "index") ||
        !get_u64(&tx_count, subject->proof, "tx_count") || tx_count != header.tx_count)
        return bad(subject, "tx_id, index or tx_count do not fit the block");
    const char *text = json_string_value(json_object_get(subject->proof, "tx_id"));
    if (subject->expected_tx && strcmp(text, subject->expected_tx) != 0)
        return bad(subject, "the proof is about another transaction than was asked for");
    if (!read_path(path, &count, MERKLE_PATH_MAX, json_object_get(subject->proof, "path")) ||
        merkle_verify(&header.tx_root, &tx_id, tx_count, index, path, count) != 0)
        return bad(subject, "the path does not lead from the transaction to the block's tx_root");
    uint8_t *receipt = NULL;
    size_t receipt_size = 0;
    if (!get_base64(&receipt, &receipt_size, subject->proof, "receipt"))
        return bad(subject, "receipt is not base64");
    struct hash receipt_hash = hash_of(span_of(receipt, receipt_size));
    free(receipt);
    if (!read_path(path, &count, MERKLE_PATH_MAX, json_object_get(subject->proof, "receipt_path")) ||
        merkle_verify(&header.receipt_root, &receipt_hash, tx_count, index, path, count) != 0)
        return bad(subject, "receipt_path does not lead from the receipt to the block's receipt_root");
    json_object_set_new(subject->facts, "tx_id", json_string(text));
    json_object_set_new(subject->facts, "index", json_integer((json_int_t)index));
    return CTL_OK;
}

static int verify_state(struct subject *subject)
{
    struct block_header header;
    int rc = verify_commit(subject, json_object_get(subject->proof, "commit"), &header);
    if (rc != CTL_OK)
        return rc;
    const char *key = json_string_value(json_object_get(subject->proof, "key"));
    if (!key || (subject->expected_key && strcmp(key, subject->expected_key) != 0))
        return bad(subject, "the proof is about another key than was asked for");
    uint64_t height = 0;
    if (!get_u64(&height, subject->proof, "height") || height != header.height)
        return bad(subject, "height is not the block's");
    struct stateproof *proof = calloc(1, sizeof *proof);
    if (!proof)
        return ctl_fail(CTL_ERROR, "out of memory");
    size_t count = 0;
    const json_t *leaf = json_object_get(subject->proof, "leaf");
    bool form = read_path(proof->siblings, &count, STATEPROOF_DEPTH_MAX, json_object_get(subject->proof, "siblings"));
    proof->sibling_count = (uint32_t)count;
    proof->has_leaf = json_is_object(leaf);
    if (proof->has_leaf)
        form = form && get_hex(proof->leaf.key_hash.bytes, HASH_BYTES, leaf, "key_hash") &&
               get_hex(proof->leaf.value_hash.bytes, HASH_BYTES, leaf, "value_hash");
    uint8_t *value = NULL;
    size_t value_size = 0;
    bool absent = json_is_null(json_object_get(subject->proof, "value"));
    form = form && (absent || get_base64(&value, &value_size, subject->proof, "value"));
    static const uint8_t nothing;
    struct span claimed = absent ? span_of(NULL, 0) : span_of(value_size ? value : &nothing, value_size);
    bool proved = form && stateproof_verify(&header.state_root, span_text(key), claimed, proof) == 0;
    free(value);
    free(proof);
    if (!form)
        return bad(subject, "state proof: wants key, value, leaf, siblings and commit");
    if (!proved)
        return bad(subject, "the siblings do not lead to the block's state_root");
    json_object_set_new(subject->facts, "key", json_string(key));
    json_object_set_new(subject->facts, "present", json_boolean(!absent));
    return CTL_OK;
}

static int verify_any(struct subject *subject)
{
    struct block_header header;
    if (json_object_get(subject->proof, "headers"))
        return verify_commit(subject, subject->proof, &header);
    if (json_object_get(subject->proof, "tx_id"))
        return verify_transaction(subject);
    if (json_object_get(subject->proof, "siblings"))
        return verify_state(subject);
    return bad(subject, "neither a commit, a transaction nor a state proof (members headers, tx_id or siblings)");
}

struct options {
    const char *genesis, *file, *api, *tx, *key;
    bool has_height, json;
    uint64_t height;
};

static int fetch(json_t **out, const struct options *options)
{
    char url[URL_BYTES], why[WHY_BYTES];
    int length;
    if (options->tx) {
        length = snprintf(url, sizeof url, "%s/api/v1/transactions/%s/proof", options->api, options->tx);
    } else if (options->key) {
        char *escaped = curl_easy_escape(NULL, options->key, 0);
        length = snprintf(url, sizeof url, "%s/api/v1/state/%s?proof=true", options->api, escaped ? escaped : "");
        curl_free(escaped);
        if (options->has_height && length > 0 && (size_t)length < sizeof url)
            length += snprintf(url + length, sizeof url - (size_t)length, "&height=%llu",
                               (unsigned long long)options->height);
    } else if (options->has_height) {
        length =
            snprintf(url, sizeof url, "%s/api/v1/blocks/%llu/proof", options->api, (unsigned long long)options->height);
    } else {
        return ctl_fail(CTL_USAGE, "verify: --api wants one of --height H, --tx ID, --key KEY");
    }
    if (length < 0 || (size_t)length >= sizeof url)
        return ctl_fail(CTL_USAGE, "verify: the address is too long");
    long status = 0;
    if (ctl_get(out, &status, url, why, sizeof why) != CTL_OK)
        return ctl_fail(CTL_ERROR, "%s: %s", url, why);
    if (status == 200)
        return CTL_OK;
    const char *detail = json_string_value(json_object_get(*out, "detail"));
    return ctl_fail(status == 404 ? CTL_NO : CTL_ERROR, "%s: status %ld: %s", url, status, detail ? detail : "");
}

static int print_result(struct subject *subject, bool json, int rc)
{
    if (rc != CTL_OK && rc != CTL_NO)
        return rc;
    json_object_set_new(subject->facts, "proved", json_boolean(rc == CTL_OK));
    if (rc == CTL_NO)
        json_object_set_new(subject->facts, "why", json_string(subject->why));
    if (json) {
        int printed = ctl_print_json_take(json_incref(subject->facts));
        return printed == CTL_OK ? rc : printed;
    }
    printf("%s\n", rc == CTL_OK ? "proved" : "NOT PROVED");
    const char *name;
    json_t *value;
    json_object_foreach(subject->facts, name, value)
    {
        if (strcmp(name, "proved") == 0)
            continue;
        CLEANUP(json_cleanup) json_t *owned = json_incref(value);
        char *text = json_dumps(owned, JSON_ENCODE_ANY);
        printf("  %-10s %s\n", name, json_is_string(value) ? json_string_value(value) : (text ? text : ""));
        free(text);
    }
    return rc;
}

static int verify(const struct options *options)
{
    CLEANUP(genesis_destroy) struct genesis *genesis = NULL;
    int loaded = genesis_file_load(options->genesis, &genesis);
    if (loaded < 0)
        return ctl_fail(CTL_USAGE, "%s: %s", options->genesis, err_text(loaded));
    CLEANUP(json_cleanup) json_t *proof = NULL;
    int rc = options->api ? fetch(&proof, options) : ctl_read_json(&proof, options->file);
    if (rc != CTL_OK)
        return rc;
    CLEANUP(json_cleanup) json_t *facts = json_object();
    struct subject subject = {.genesis = genesis,
                              .proof = proof,
                              .expected_tx = options->tx,
                              .expected_key = options->key,
                              .expected_height = options->has_height ? (json_int_t)options->height : -1,
                              .facts = facts};
    return print_result(&subject, options->json, verify_any(&subject));
}

static int run(int argc, char *argv[])
{
    struct options options = {0};
    for (int i = 1; i < argc; i++) {
        int rc = CTL_OK;
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool takes_value = argv[i][0] == '-' && argv[i][1] != '\0';
        if (takes_value && !value)
            return ctl_fail(CTL_USAGE, "verify: '%s' wants a value; see cybermeshctl verify --help", argv[i]);
        if (strcmp(argv[i], "--genesis") == 0)
            options.genesis = value;
        else if (strcmp(argv[i], "--api") == 0)
            options.api = value;
        else if (strcmp(argv[i], "--tx") == 0)
            options.tx = value;
        else if (strcmp(argv[i], "--key") == 0)
            options.key = value;
        else if (strcmp(argv[i], "--height") == 0)
            rc = ctl_number(&options.height, argv[i], value, 0, INT64_MAX), options.has_height = true;
        else if (strcmp(argv[i], "-o") == 0)
            rc = ctl_output(&options.json, value);
        else if (!takes_value && !options.file)
            options.file = argv[i];
        else
            rc = ctl_fail(CTL_USAGE, "verify: '%s' is not understood; see cybermeshctl verify --help", argv[i]);
        if (rc != CTL_OK)
            return rc;
        i += takes_value ? 1 : 0;
    }
    if (!options.genesis || !options.file == !options.api)
        return ctl_fail(CTL_USAGE, "verify: wants --genesis FILE, and a proof's FILE or --api URL");
    return verify(&options);
}

const struct ctl_verb ctl_verify = {
    .name = "verify",
    .summary = "check a commit, transaction or state proof against the genesis file",
    .help =
        "usage: cybermeshctl verify --genesis FILE PROOF          a proof's JSON file, or - for standard input\n"
        "       cybermeshctl verify --genesis FILE --api URL --height H\n"
        "       cybermeshctl verify --genesis FILE --api URL --tx ID\n"
        "       cybermeshctl verify --genesis FILE --api URL --key KEY [--height H]\n"
        "                           [-o json]\n\n"
        "Trusts nothing but the genesis file: with --api the answer is checked like a stranger's file. A state proof\n"
        "also proves that a key is absent. Exit 0: proved; 1: not proved, the reason is printed.\n",
    .run = run,
};
