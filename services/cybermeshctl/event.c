/* event.c - the event is encoded twice: with an empty signature, to learn the bytes to sign, and with the real one. */
#include "services/cybermeshctl/event.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "proto/ai.pb-c.h"

enum { SEVERITY_DEFAULT = 6, CONTENT_OVERHEAD = 256 };

static void make_uuid(char out[static EVENT_ID_BYTES])
{
    uint8_t b[16];
    randombytes_buf(b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(out, EVENT_ID_BYTES, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

/* The content of a kind, filled up to about size bytes with letters. */
static char *make_content(const struct event_options *options, const char *id)
{
    char *text = malloc(options->payload_bytes + CONTENT_OVERHEAD + 64);
    if (!text)
        return NULL;
    int used = 0;
    switch (options->kind) {
    case TX_ANOMALY:
        used = sprintf(text, "{\"severity\":%d,\"detector\":\"sample\",\"note\":\"", SEVERITY_DEFAULT);
        break;
    case TX_POLICY:
        used = sprintf(text,
                       "{\"schema_version\":1,\"policy_id\":\"%s\",\"rule_type\":\"block\",\"action\":\"drop\","
                       "\"target\":{\"ips\":[\"192.0.2.%u\"],\"direction\":\"ingress\",\"scope\":\"cluster\"},"
                       "\"guardrails\":{\"ttl_seconds\":3600},\"note\":\"",
                       id, 1 + randombytes_uniform(250));
        break;
    case TX_EVIDENCE:
    case TX_VALIDATOR_EVIDENCE:
    case TX_KIND_COUNT:
        break;
    }
    while ((size_t)used + 2 < options->payload_bytes) {
        text[used] = (char)('a' + used % 26);
        used++;
    }
    text[used] = '\0';
    if (options->kind != TX_EVIDENCE)
        memcpy(text + used, "\"}", sizeof "\"}");
    return text;
}

static int sign_body(struct signature *out, const struct tx_fields *fields, const struct sign_key *key)
{
    size_t size = tx_encoded_size(fields);
    uint8_t *body = malloc(size);
    uint8_t *message = malloc(size + 64);
    int rc = -ENOMEM;
    if (body && message) {
        struct tx tx;
        const char *why = "";
        tx_encode(body, fields);
        rc = tx_parse(&tx, span_of(body, size), &why);
        assert(rc == 0);
        size_t message_size = tx_signing_bytes(&tx, message, size + 64);
        sign_message(out, key, span_of(message, message_size));
    }
    free(body);
    free(message);
    return rc;
}

static int hash_body(struct hash *out, const struct tx_fields *fields)
{
    size_t size = tx_encoded_size(fields);
    uint8_t *body = malloc(size);
    if (!body)
        return -ENOMEM;
    tx_encode(body, fields);
    *out = tx_id(span_of(body, size));
    free(body);
    return 0;
}

#define BYTES(span) ((ProtobufCBinaryData){.len = (span).size, .data = (uint8_t *)(uintptr_t)(span).data})
#define TEXT(span) ((char *)(uintptr_t)(span).data)

/* As protobuf; texts are zero-terminated behind their span. */
static int pack(struct event *out, const struct tx_fields *fields)
{
    Cybermesh__Ai__V1__AnomalyEvent anomaly;
    Cybermesh__Ai__V1__EvidenceEvent evidence;
    Cybermesh__Ai__V1__PolicyEvent policy;
    Cybermesh__Ai__V1__ChainOfCustodyEntry custody;
    cybermesh__ai__v1__anomaly_event__init(&anomaly);
    cybermesh__ai__v1__evidence_event__init(&evidence);
    cybermesh__ai__v1__policy_event__init(&policy);
    cybermesh__ai__v1__chain_of_custody_entry__init(&custody);
    Cybermesh__Ai__V1__ChainOfCustodyEntry *custody_list[] = {&custody};
    ProtobufCBinaryData refs[1];
    ProtobufCMessage *message = NULL;
#define FILL_COMMON(event)                                                                                             \
    (event).id = TEXT(fields->id), (event).ts = fields->ts, (event).content_hash = BYTES(fields->content_hash),        \
    (event).producer_id = BYTES(fields->producer_id), (event).nonce = BYTES(fields->nonce),                            \
    (event).signature = BYTES(fields->signature), (event).pubkey = BYTES(fields->pubkey),                              \
    (event).alg = TEXT(fields->alg), message = &(event).base
    switch (fields->kind) {
    case TX_ANOMALY:
        FILL_COMMON(anomaly);
        anomaly.type = TEXT(fields->type);
        anomaly.source = TEXT(fields->source);
        anomaly.severity = fields->severity;
        anomaly.confidence = fields->confidence;
        anomaly.payload = BYTES(fields->content);
        anomaly.model_version = TEXT(fields->model_version);
        break;
    case TX_EVIDENCE:
        FILL_COMMON(evidence);
        evidence.evidence_type = TEXT(fields->type);
        evidence.proof_blob = BYTES(fields->content);
        if (fields->ref_count)
            refs[0] = BYTES(fields->refs[0]);
        evidence.n_refs = fields->ref_count;
        evidence.refs = refs;
        custody.ref_hash = BYTES(fields->custody[0].ref_hash);
        custody.actor_id = BYTES(fields->custody[0].actor_id);
        custody.ts = fields->custody[0].ts;
        custody.signature = BYTES(fields->custody[0].signature);
        evidence.n_coc = 1;
        evidence.coc = custody_list;
        break;
    case TX_POLICY:
        FILL_COMMON(policy);
        policy.action = TEXT(fields->action);
        policy.rule = TEXT(fields->type);
        policy.params = BYTES(fields->content);
        break;
    case TX_VALIDATOR_EVIDENCE:
    case TX_KIND_COUNT:
        break;
    }
    assert(message);
    out->size = protobuf_c_message_get_packed_size(message);
    out->record = malloc(out->size);
    if (!out->record)
        return -ENOMEM;
    protobuf_c_message_pack(message, out->record);
    return 0;
}

static void sign_custody(struct signature *out, const struct hash *ref, int64_t ts, enum tx_alg alg,
                         const struct sign_key *key)
{
    static const char v1_domain[] = "evidence.custody.v1";
    static const char v2_domain[] = "cybermesh/custody/v1";
    uint8_t message[128];
    size_t size = alg == TX_ALG_V1 ? sizeof v1_domain - 1 : sizeof v2_domain;
    memcpy(message, alg == TX_ALG_V1 ? v1_domain : v2_domain, size);
    memcpy(message + size, ref->bytes, HASH_BYTES);
    memcpy(message + size + 32, key->public.bytes, 32);
    for (int i = 0; i < 8; i++)
        message[size + 64 + (size_t)i] = (uint8_t)((uint64_t)ts >> (56 - 8 * i));
    sign_message(out, key, span_of(message, size + 72));
}

int event_make(struct event *out, const struct event_options *options)
{
    struct event event = {0};
    make_uuid(event.id);
    char *content = make_content(options, event.id);
    if (!content)
        return -ENOMEM;
    struct hash content_hash = hash_sha256(span_text(content));
    struct hash ref_hash = hash_sha256(span_text(options->refers_to ? options->refers_to : event.id));
    struct span ref = span_of(ref_hash.bytes, HASH_BYTES);
    struct signature signature = {0}, custody_signature = {0};
    uint8_t nonce[TX_NONCE_BYTES];
    randombytes_buf(nonce, sizeof nonce);
    struct span key = span_of(options->key->public.bytes, SIGN_PUBLIC_BYTES);
    sign_custody(&custody_signature, &content_hash, options->ts, options->alg, options->key);
    struct tx_custody_fields custody = {.ref_hash = span_of(content_hash.bytes, HASH_BYTES),
                                        .actor_id = key,
                                        .ts = options->ts,
                                        .signature = span_of(custody_signature.bytes, SIGN_BYTES)};
    bool evidence = options->kind == TX_EVIDENCE;
    struct tx_fields fields = {
        .kind = options->kind,
        .id = span_text(event.id),
        .type = span_text(options->kind == TX_ANOMALY ? "port_scan"
                          : evidence                  ? "packet_capture"
                                                      : "block"),
        .source = span_text("sample-sensor"),
        .model_version = span_text("sample-1"),
        .action = span_text("drop"),
        .alg = span_text(options->alg == TX_ALG_V1 ? "Ed25519" : "Ed25519-v2"),
        .content = span_text(content),
        .severity = SEVERITY_DEFAULT,
        .confidence = 0.9,
        .ts = options->ts,
        .content_hash = span_of(content_hash.bytes, HASH_BYTES),
        .producer_id = key,
        .nonce = span_of(nonce, sizeof nonce),
        .signature = span_of(signature.bytes, SIGN_BYTES),
        .pubkey = key,
        .refs = &ref,
        .ref_count = evidence && options->refers_to ? 1 : 0,
        .custody = &custody,
        .custody_count = evidence ? 1 : 0,
    };
    int rc = sign_body(&signature, &fields, options->key);
    rc = rc == 0 ? hash_body(&event.tx_id, &fields) : rc;
    rc = rc == 0 ? pack(&event, &fields) : rc;
    free(content);
    if (rc == 0)
        *out = event;
    return rc;
}
