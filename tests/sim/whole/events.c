/* events.c - what AI services publish: good events, copies of them, pairs that want one nonce or one id, and bad ones.
 */
#include "tests/sim/whole/events.h"

#include <stdio.h>

#include "common/base/reason.h"
#include "common/base/tx.h"
#include "proto/ai.pb-c.h"
#include "tests/sim/whole/bus.h"
#include "tests/sim/whole/world.h"

/* One event in the making. */
struct draft {
    enum tx_kind kind;
    uint32_t producer; /* PRODUCERS: one that the genesis file does not name */
    char id[64];
    uint8_t nonce[TX_NONCE_BYTES];
    int64_t ts;
    bool bad_hash, bad_signature;
};

enum { RECENT_MAX = 64, RECORD_BYTES_MAX = 4096 };

static struct {
    uint64_t count;
    struct {
        uint8_t bytes[RECORD_BYTES_MAX];
        size_t size;
        struct judge_record what;
    } recent[RECENT_MAX]; /* to be copied */
    size_t recent_count;
} made;

void events_begin(void)
{
    made.count = 0;
    made.recent_count = 0;
}

static const uint32_t producers_of[TX_KIND_COUNT][2] = {
    [TX_ANOMALY] = {0, 1}, [TX_EVIDENCE] = {1, 2}, [TX_POLICY] = {3, 3}};

static struct draft draft_new(void)
{
    struct draft draft = {.kind = (enum tx_kind)(TX_ANOMALY + world_below(TX_POLICY)), .ts = sim_wall_ms() / 1000};
    draft.producer = producers_of[draft.kind][world_below(2)];
    draft.ts += (int64_t)world_below(20) - 10;
    snprintf(draft.id, sizeof draft.id, "event-%" PRIu64, ++made.count);
    for (size_t i = 0; i < sizeof draft.nonce; i++)
        draft.nonce[i] = (uint8_t)world_random();
    return draft;
}

/* --- encoding ----------------------------------------------------------------------------------------------------- */

#define BYTES(span) ((ProtobufCBinaryData){.len = (span).size, .data = (uint8_t *)(uintptr_t)(span).data})
#define TEXT(span) ((char *)(uintptr_t)(span).data)
#define FILL_COMMON(event)                                                                                             \
    (event).id = TEXT(fields->id), (event).ts = fields->ts, (event).content_hash = BYTES(fields->content_hash),        \
    (event).producer_id = BYTES(fields->producer_id), (event).nonce = BYTES(fields->nonce),                            \
    (event).signature = BYTES(fields->signature), (event).pubkey = BYTES(fields->pubkey),                              \
    (event).alg = TEXT(fields->alg), message = &(event).base

/* Texts are zero-terminated behind their span. Returns the size. */
static size_t pack(uint8_t out[static RECORD_BYTES_MAX], const struct tx_fields *fields)
{
    Cybermesh__Ai__V1__AnomalyEvent anomaly;
    Cybermesh__Ai__V1__EvidenceEvent evidence;
    Cybermesh__Ai__V1__PolicyEvent policy;
    cybermesh__ai__v1__anomaly_event__init(&anomaly);
    cybermesh__ai__v1__evidence_event__init(&evidence);
    cybermesh__ai__v1__policy_event__init(&policy);
    ProtobufCMessage *message = NULL;
    if (fields->kind == TX_ANOMALY) {
        FILL_COMMON(anomaly);
        anomaly.type = TEXT(fields->type);
        anomaly.source = TEXT(fields->source);
        anomaly.severity = fields->severity;
        anomaly.confidence = fields->confidence;
        anomaly.payload = BYTES(fields->content);
        anomaly.model_version = TEXT(fields->model_version);
    } else if (fields->kind == TX_EVIDENCE) {
        FILL_COMMON(evidence);
        evidence.evidence_type = TEXT(fields->type);
        evidence.proof_blob = BYTES(fields->content);
    } else {
        FILL_COMMON(policy);
        policy.action = TEXT(fields->action);
        policy.rule = TEXT(fields->type);
        policy.params = BYTES(fields->content);
    }
    size_t size = protobuf_c_message_get_packed_size(message);
    if (size > RECORD_BYTES_MAX)
        abort();
    return protobuf_c_message_pack(message, out);
}

static struct hash sign(struct signature *out, const struct tx_fields *fields, const struct sign_key *key)
{
    uint8_t body[RECORD_BYTES_MAX], message[RECORD_BYTES_MAX + 64];
    struct tx tx;
    const char *why;
    struct span encoded = span_of(body, tx_encoded_size(fields));
    if (encoded.size > sizeof body)
        abort();
    tx_encode(body, fields);
    if (tx_parse(&tx, encoded, &why) != 0)
        abort();
    sign_message(out, key, span_of(message, tx_signing_bytes(&tx, message, sizeof message)));
    tx_encode(body, fields); /* the fields lead to the signature */
    return tx_id(encoded);
}

static size_t write_body(uint8_t out[static RECORD_BYTES_MAX], const struct tx_fields *fields)
{
    if (tx_encoded_size(fields) > RECORD_BYTES_MAX)
        abort();
    tx_encode(out, fields);
    return tx_encoded_size(fields);
}

/* Write it as a record or a body. Returns the size. */
static size_t encode(uint8_t out[static RECORD_BYTES_MAX], struct hash *id, const struct draft *draft,
                     size_t (*write)(uint8_t *out, const struct tx_fields *fields))
{
    static const char *const contents[TX_KIND_COUNT] = {
        [TX_ANOMALY] = "{\"note\":\"simulated\"}",
        [TX_EVIDENCE] = "simulated",
        [TX_POLICY] = "{\"policy_id\":\"p\",\"target\":{\"ips\":[\"192.0.2.1\"]},\"guardrails\":{\"ttl_seconds\":60}}"};
    struct sign_key key;
    stages_producer_key(&key, draft->producer);
    struct span content = span_text(contents[draft->kind]);
    struct hash content_hash = hash_sha256(content);
    content_hash.bytes[0] ^= draft->bad_hash;
    struct signature signature = {{0}};
    struct span public = span_of(key.public.bytes, SIGN_PUBLIC_BYTES);
    struct tx_fields fields = {.kind = draft->kind,
                               .id = span_text(draft->id),
                               .type = span_text(draft->kind == TX_POLICY ? "block" : "port_scan"),
                               .source = span_text("simulation"),
                               .model_version = span_text("1"),
                               .action = span_text("drop"),
                               .alg = span_text(made.count % 2 ? "Ed25519" : "Ed25519-v2"),
                               .content = content,
                               .severity = (uint32_t)(1 + made.count % 10),
                               .confidence = 0.5,
                               .ts = draft->ts,
                               .content_hash = span_of(content_hash.bytes, HASH_BYTES),
                               .producer_id = public,
                               .nonce = span_of(draft->nonce, sizeof draft->nonce),
                               .signature = span_of(signature.bytes, SIGN_BYTES),
                               .pubkey = public};
    *id = sign(&signature, &fields, &key);
    signature.bytes[7] ^= draft->bad_signature;
    return write(out, &fields);
}

/* --- publishing --------------------------------------------------------------------------------------------------- */

static int64_t publish(const uint8_t *bytes, size_t size, const struct judge_record *what)
{
    struct judge_record record = *what;
    record.partition = (uint32_t)world_below(PARTITIONS);
    record.offset = broker_end_offset(record.topic, record.partition);
    int64_t number = judge_published(&record);
    broker_publish(record.topic, record.partition, span_of(bytes, size));
    return number;
}

static void remember(const uint8_t *bytes, size_t size, const struct judge_record *what)
{
    size_t place = made.recent_count < RECENT_MAX ? made.recent_count++ : (size_t)world_below(RECENT_MAX);
    memcpy(made.recent[place].bytes, bytes, size);
    made.recent[place].size = size;
    made.recent[place].what = *what;
}

static int64_t publish_draft(const struct draft *draft, enum fate fate, int reason, int64_t rival)
{
    uint8_t bytes[RECORD_BYTES_MAX];
    struct judge_record what = {
        .topic = (uint32_t)draft->kind - TX_ANOMALY, .fate = fate, .reason = reason, .rival = rival};
    size_t size = encode(bytes, &what.tx_id, draft, pack);
    if (fate != FATE_REFUSED && draft->kind == TX_ANOMALY)
        memcpy(what.anomaly, draft->id, sizeof what.anomaly);
    if (fate != FATE_REFUSED)
        remember(bytes, size, &what);
    return publish(bytes, size, &what);
}

void events_good(void)
{
    struct draft draft = draft_new();
    publish_draft(&draft, FATE_COMMITTED, 0, -1);
}

void events_copy(void)
{
    if (made.recent_count == 0)
        return;
    size_t place = (size_t)world_below(made.recent_count);
    publish(made.recent[place].bytes, made.recent[place].size, &made.recent[place].what);
}

/* The first's rival is the record behind it. */
static void publish_pair(const struct draft *first, const struct draft *second)
{
    int64_t number = (int64_t)judge_record_count();
    publish_draft(first, FATE_EITHER, 0, number + 1);
    publish_draft(second, FATE_EITHER, 0, number);
}

void events_nonce_pair(void)
{
    struct draft first = draft_new();
    struct draft second = draft_new();
    second.kind = first.kind;
    second.producer = first.producer;
    memcpy(second.nonce, first.nonce, sizeof second.nonce);
    publish_pair(&first, &second);
}

void events_id_pair(void)
{
    struct draft first = draft_new();
    struct draft second = draft_new();
    second.kind = first.kind;
    second.producer = first.producer;
    memcpy(second.id, first.id, sizeof second.id);
    publish_pair(&first, &second);
}

void events_bad(void)
{
    struct draft draft = draft_new();
    int reason = 0;
    switch (world_below(6)) {
    case 0:
        draft.bad_signature = true;
        reason = REASON_BAD_SIGNATURE;
        break;
    case 1:
        draft.bad_hash = true;
        reason = REASON_BAD_CONTENT_HASH;
        break;
    case 2:
        draft.producer = PRODUCERS;
        reason = REASON_PRODUCER_UNKNOWN;
        break;
    case 3:
        draft.producer = draft.kind == TX_POLICY ? 0 : 3;
        reason = REASON_PRODUCER_ROLE;
        break;
    case 4:
        draft.ts -= 3600;
        reason = REASON_TIMESTAMP_SKEW;
        break;
    default:
        publish((const uint8_t *)"\xff no event", 10,
                &(struct judge_record){.fate = FATE_REFUSED, .reason = REASON_MALFORMED, .rival = -1});
        return;
    }
    publish_draft(&draft, FATE_REFUSED, reason, -1);
}

struct span events_unpublished(bool good)
{
    static uint8_t body[RECORD_BYTES_MAX];
    struct draft draft = draft_new();
    draft.bad_signature = !good && world_below(2) == 0;
    draft.bad_hash = !good && !draft.bad_signature;
    struct hash id;
    struct span span = span_of(body, encode(body, &id, &draft, write_body));
    if (good)
        judge_unpublished(&id);
    return span;
}
