/* route.c - the path is cut at its slashes, each part decoded and judged by its place. */
#include "services/apid/route.h"

#include <string.h>

#include "common/base/hex.h"
#include "common/base/text.h"

enum { PARTS_MAX = 5, DIGITS_MAX = 16 };

static const char prefix[] = "/api/v1/";

const char *const route_names[ROUTE_COUNT] = {
    [ROUTE_HEALTH] = "health",
    [ROUTE_READY] = "ready",
    [ROUTE_METRICS] = "metrics",
    [ROUTE_BLOCK_LATEST] = "block_latest",
    [ROUTE_BLOCKS] = "blocks",
    [ROUTE_BLOCK] = "block",
    [ROUTE_BLOCK_PROOF] = "block_proof",
    [ROUTE_TRANSACTION] = "transaction",
    [ROUTE_TRANSACTION_PROOF] = "transaction_proof",
    [ROUTE_STATE_ROOT] = "state_root",
    [ROUTE_STATE] = "state",
    [ROUTE_VALIDATORS] = "validators",
    [ROUTE_VALIDATOR] = "validator",
    [ROUTE_ANOMALIES] = "anomalies",
    [ROUTE_CONSENSUS_EVIDENCE] = "consensus_evidence",
};

static bool is(struct span part, const char *word)
{
    return span_equal(part, span_text(word));
}

/* Decimal digits, at most 2^53. */
static bool get_number(uint64_t *out, struct span text)
{
    if (text.size == 0 || text.size > DIGITS_MAX)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (value > (UINT64_C(1) << 53))
        return false;
    *out = value;
    return true;
}

static bool get_id(struct hash *out, struct span text)
{
    char digits[2 * HASH_BYTES + 1];
    if (text.size != 2 * HASH_BYTES)
        return false;
    memcpy(digits, text.data, text.size);
    digits[text.size] = '\0';
    return hex_decode(out->bytes, HASH_BYTES, digits) == 0;
}

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-decoding; the result is clean text that fits. */
static bool get_key(char out[static ROUTE_KEY_BYTES_MAX + 1], struct span text)
{
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        int value = text.data[i];
        if (value == '%') {
            if (i + 2 >= text.size)
                return false;
            int high = digit_of(text.data[i + 1]), low = digit_of(text.data[i + 2]);
            if (high < 0 || low < 0)
                return false;
            value = high * 16 + low;
            i += 2;
        }
        if (size == ROUTE_KEY_BYTES_MAX)
            return false;
        out[size++] = (char)value;
    }
    out[size] = '\0';
    return size > 0 && text_is_clean(span_of(out, size));
}

static int bad(const char **why, const char *text)
{
    *why = text;
    return ROUTE_BAD;
}

/* Which query parameters a route takes; another one would be a misunderstanding. */
enum parameter { PARAMETER_LIMIT = 1, PARAMETER_START = 2, PARAMETER_HEIGHT = 4, PARAMETER_PROOF = 8 };

static const unsigned parameters_of[ROUTE_COUNT] = {
    [ROUTE_BLOCKS] = PARAMETER_LIMIT | PARAMETER_START,
    [ROUTE_STATE] = PARAMETER_HEIGHT | PARAMETER_PROOF,
    [ROUTE_ANOMALIES] = PARAMETER_LIMIT,
};

static unsigned parameter_of(struct span name)
{
    static const struct {
        const char *name;
        enum parameter parameter;
    } names[] = {{"limit", PARAMETER_LIMIT},
                 {"start", PARAMETER_START},
                 {"height", PARAMETER_HEIGHT},
                 {"proof", PARAMETER_PROOF}};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (is(name, names[i].name))
            return names[i].parameter;
    }
    return 0;
}

static int take_limit(struct route_request *out, struct span value, const char **why)
{
    uint64_t limit = 0;
    if (!get_number(&limit, value) || limit < 1 || limit > ROUTE_LIMIT_MAX)
        return bad(why, "limit wants a whole number from 1 to 100");
    out->limit = (uint32_t)limit;
    return 0;
}

static int take_proof(struct route_request *out, struct span value, const char **why)
{
    if (!is(value, "true") && !is(value, "false"))
        return bad(why, "proof wants true or false");
    out->proof = is(value, "true");
    return 0;
}

static int take_height(uint64_t *out, bool *given, struct span value, const char **why)
{
    if (!get_number(out, value))
        return bad(why, "start and height want a whole number from 0 to 2^53");
    *given = true;
    return 0;
}

/* One name=value of the query. */
static int take_parameter(struct route_request *out, struct span pair, unsigned *seen, const char **why)
{
    const uint8_t *equal = pair.size > 0 ? memchr(pair.data, '=', pair.size) : NULL;
    if (!equal)
        return bad(why, "a query parameter wants name=value");
    size_t name_size = (size_t)(equal - pair.data);
    unsigned parameter = parameter_of(span_of(pair.data, name_size)) & parameters_of[out->route];
    struct span value = span_of(equal + 1, pair.size - name_size - 1);
    if (parameter == 0)
        return bad(why, "this path has no such parameter; blocks takes start and limit, anomalies limit, state/{key} "
                        "proof and height");
    if (*seen & parameter)
        return bad(why, "a query parameter is given twice");
    *seen |= parameter;
    if (parameter == PARAMETER_LIMIT)
        return take_limit(out, value, why);
    if (parameter == PARAMETER_PROOF)
        return take_proof(out, value, why);
    return parameter == PARAMETER_START ? take_height(&out->start, &out->has_start, value, why)
                                        : take_height(&out->height, &out->has_height, value, why);
}

static int take_query(struct route_request *out, const char *query, const char **why)
{
    unsigned seen = 0;
    while (query && *query) {
        size_t size = strcspn(query, "&");
        int rc = take_parameter(out, span_of(query, size), &seen, why);
        if (rc != 0)
            return rc;
        query += size;
        query += *query == '&' ? 1 : 0;
    }
    return 0;
}

static int take_blocks(struct route_request *out, const struct span *parts, size_t count, const char **why)
{
    if (count == 1) {
        out->route = ROUTE_BLOCKS;
        return 0;
    }
    if (count == 2 && is(parts[1], "latest")) {
        out->route = ROUTE_BLOCK_LATEST;
        return 0;
    }
    bool proof = count == 3 && is(parts[2], "proof");
    if (count != 2 && !proof)
        return ROUTE_NOT_FOUND;
    out->route = proof ? ROUTE_BLOCK_PROOF : ROUTE_BLOCK;
    if (!get_number(&out->height, parts[1]))
        return bad(why, "blocks/ wants a height, a whole number from 0 to 2^53, or latest");
    return 0;
}

static int take_transactions(struct route_request *out, const struct span *parts, size_t count, const char **why)
{
    bool proof = count == 3 && is(parts[2], "proof");
    if (count != 2 && !proof)
        return ROUTE_NOT_FOUND;
    out->route = proof ? ROUTE_TRANSACTION_PROOF : ROUTE_TRANSACTION;
    if (!get_id(&out->id, parts[1]))
        return bad(why, "transactions/ wants a transaction id, 64 lower-case hex digits");
    return 0;
}

static int take_state(struct route_request *out, const struct span *parts, size_t count, const char **why)
{
    if (count < 2)
        return ROUTE_NOT_FOUND;
    if (count > 2)
        return bad(why, "state/ wants one percent-encoded key, with / as %2F");
    if (is(parts[1], "root")) {
        out->route = ROUTE_STATE_ROOT;
        return 0;
    }
    out->route = ROUTE_STATE;
    if (!get_key(out->key, parts[1]))
        return bad(why, "state/ wants a percent-encoded key of 1 to 512 bytes, with / as %2F");
    return 0;
}

static int take_validators(struct route_request *out, const struct span *parts, size_t count, const char **why)
{
    if (count > 2)
        return ROUTE_NOT_FOUND;
    out->route = count == 1 ? ROUTE_VALIDATORS : ROUTE_VALIDATOR;
    if (count == 2 && !get_id(&out->id, parts[1]))
        return bad(why, "validators/ wants a validator id, 64 lower-case hex digits");
    return 0;
}

static int take_consensus(struct route_request *out, const struct span *parts, size_t count)
{
    if (count != 2 || !is(parts[1], "evidence"))
        return ROUTE_NOT_FOUND;
    out->route = ROUTE_CONSENSUS_EVIDENCE;
    return 0;
}

static int take_path(struct route_request *out, const struct span *parts, size_t count, const char **why)
{
    static const struct {
        const char *word;
        enum route route;
    } plain[] = {
        {"health", ROUTE_HEALTH}, {"ready", ROUTE_READY}, {"metrics", ROUTE_METRICS}, {"anomalies", ROUTE_ANOMALIES}};
    for (size_t i = 0; i < ARRAY_COUNT(plain) && count == 1; i++) {
        if (is(parts[0], plain[i].word)) {
            out->route = plain[i].route;
            return 0;
        }
    }
    if (is(parts[0], "blocks"))
        return take_blocks(out, parts, count, why);
    if (is(parts[0], "transactions"))
        return take_transactions(out, parts, count, why);
    if (is(parts[0], "state"))
        return take_state(out, parts, count, why);
    if (is(parts[0], "consensus"))
        return take_consensus(out, parts, count);
    return is(parts[0], "validators") ? take_validators(out, parts, count, why) : ROUTE_NOT_FOUND;
}

/* A proxy may send the whole URI (RFC 9112, absolute-form): what stands before its path is not looked at. */
static const char *path_of(const char *uri)
{
    static const char scheme[] = "http://";
    if (strncmp(uri, scheme, sizeof scheme - 1) != 0)
        return uri;
    return uri + sizeof scheme - 1 + strcspn(uri + sizeof scheme - 1, "/");
}

int route_parse(struct route_request *out, const char *uri, const char *query, const char **why)
{
    *why = "";
    if (strnlen(uri, ROUTE_PATH_BYTES_MAX + 1) > ROUTE_PATH_BYTES_MAX)
        return bad(why, "the path is too long");
    const char *path = path_of(uri);
    if (strncmp(path, prefix, sizeof prefix - 1) != 0)
        return ROUTE_NOT_FOUND;
    struct span parts[PARTS_MAX];
    size_t count = 0;
    for (const char *at = path + sizeof prefix - 1;; at++) {
        if (count == PARTS_MAX)
            return ROUTE_NOT_FOUND;
        size_t size = strcspn(at, "/");
        parts[count++] = span_of(at, size);
        at += size;
        if (*at == '\0')
            break;
    }
    struct route_request request = {.limit = ROUTE_LIMIT_DEFAULT};
    int rc = take_path(&request, parts, count, why);
    rc = rc == 0 ? take_query(&request, query, why) : rc;
    if (rc == 0)
        *out = request;
    return rc;
}
