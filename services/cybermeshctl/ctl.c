/* ctl.c - options, files and HTTP for the verbs. */
#include "services/cybermeshctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <sodium.h>

#include "common/base/err.h"
#include "common/edge/keyfile.h"

enum { DOCUMENT_BYTES_MAX = 16 << 20, HTTP_TIMEOUT_S = 10 };

const char *const ctl_stages[CTL_STAGE_COUNT] = {"ingestd", "mempoold", "consensusd", "executord", "persistd", "apid"};

int ctl_fail(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("cybermeshctl: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return code;
}

int ctl_number(uint64_t *out, const char *option, const char *text, uint64_t min, uint64_t max)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value < min || value > max)
        return ctl_fail(CTL_USAGE, "%s %s: wants a whole number from %llu to %llu", option, text,
                        (unsigned long long)min, (unsigned long long)max);
    *out = value;
    return CTL_OK;
}

int ctl_output(bool *json, const char *text)
{
    if (strcmp(text, "json") != 0 && strcmp(text, "text") != 0)
        return ctl_fail(CTL_USAGE, "-o %s: wants json or text", text);
    *json = strcmp(text, "json") == 0;
    return CTL_OK;
}

int ctl_print_json_take(json_t *value)
{
    CLEANUP(json_cleanup) json_t *owned = value;
    if (!owned)
        return ctl_fail(CTL_ERROR, "out of memory");
    if (json_dumpf(owned, stdout, JSON_INDENT(2)) != 0 || putchar('\n') == EOF)
        return ctl_fail(CTL_ERROR, "cannot write to standard output");
    return CTL_OK;
}

static int read_file(char **out, size_t *size, const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!file)
        return ctl_fail(CTL_USAGE, "%s: %s", path, strerror(errno));
    char *text = malloc(DOCUMENT_BYTES_MAX + 1);
    size_t got = text ? fread(text, 1, DOCUMENT_BYTES_MAX + 1, file) : 0;
    bool failed = !text || ferror(file) || got > DOCUMENT_BYTES_MAX;
    if (file != stdin)
        fclose(file);
    if (failed) {
        free(text);
        return ctl_fail(CTL_USAGE, "%s: cannot be read, or is above %d bytes", path, DOCUMENT_BYTES_MAX);
    }
    *out = text;
    *size = got;
    return CTL_OK;
}

int ctl_read_json(json_t **out, const char *path)
{
    char *text = NULL;
    size_t size = 0;
    int rc = read_file(&text, &size, path);
    if (rc != CTL_OK)
        return rc;
    struct json_fault fault = {0};
    rc = json_parse_explained(out, span_of(text, size), JSON_DEPTH_MAX, &fault);
    free(text);
    if (rc == ERR_MALFORMED)
        return ctl_fail(CTL_USAGE, "%s: line %d column %d: %s; wants a JSON object", path, fault.line, fault.column,
                        fault.what);
    return rc < 0 ? ctl_fail(CTL_ERROR, "%s: %s", path, err_text(rc)) : CTL_OK;
}

/* HTTP. */

struct body {
    char *data;
    size_t size;
};

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    struct body *body = context;
    size_t more = size * count;
    if (more > DOCUMENT_BYTES_MAX - body->size)
        return 0;
    char *grown = realloc(body->data, body->size + more + 1);
    if (!grown)
        return 0;
    body->data = grown;
    memcpy(body->data + body->size, data, more);
    body->size += more;
    return more;
}

int ctl_get(json_t **out, long *status, const char *url, char *why, size_t why_size)
{
    CURL *curl = curl_easy_init();
    if (!curl) {
        snprintf(why, why_size, "out of memory");
        return CTL_ERROR;
    }
    struct body body = {0};
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)HTTP_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    curl_easy_cleanup(curl);
    int rc = CTL_OK;
    struct json_fault fault = {0};
    if (code != CURLE_OK) {
        snprintf(why, why_size, "%s", curl_easy_strerror(code));
        rc = CTL_ERROR;
    } else if (json_parse_explained(out, span_of(body.data, body.size), JSON_DEPTH_MAX, &fault) != 0) {
        snprintf(why, why_size, "status %ld, and the answer is not a JSON object", *status);
        rc = CTL_ERROR;
    }
    free(body.data);
    return rc;
}

/* cluster.json. */

static uint32_t roles_of(const json_t *list)
{
    static const char *const names[] = {"anomaly", "evidence", "policy", "governor"};
    uint32_t roles = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        for (size_t k = 0; name && k < ARRAY_COUNT(names); k++)
            roles |= strcmp(name, names[k]) == 0 ? 1u << k : 0;
    }
    return roles;
}

static int load_producers(struct ctl_cluster *self, bool keys)
{
    const json_t *list = json_object_get(self->json, "producers");
    self->producer_count = json_array_size(list);
    self->producers = calloc(self->producer_count + 1, sizeof self->producers[0]);
    if (!self->producers)
        return ctl_fail(CTL_ERROR, "out of memory");
    for (size_t i = 0; i < self->producer_count; i++) {
        const json_t *item = json_array_get(list, i);
        const char *path = json_string_value(json_object_get(item, "key_file"));
        struct ctl_producer *producer = &self->producers[i];
        producer->name = json_string_value(json_object_get(item, "name"));
        producer->roles = roles_of(json_object_get(item, "roles"));
        if (!producer->name || !path)
            return ctl_fail(CTL_USAGE, "cluster file: producers[%zu] wants name and key_file", i);
        uint8_t seed[KEYFILE_KEY_BYTES];
        int rc = keys ? keyfile_read(path, seed) : 0;
        if (rc < 0)
            return ctl_fail(CTL_USAGE, "%s: %s", path, err_text(rc));
        if (keys)
            sign_key_from_seed(&producer->key, seed);
        sodium_memzero(seed, sizeof seed);
    }
    return CTL_OK;
}

static int load_validator(struct ctl_validator *out, const json_t *item, size_t index)
{
    out->name = json_string_value(json_object_get(item, "name"));
    out->api = json_string_value(json_object_get(item, "api"));
    out->db = json_string_value(json_object_get(item, "db"));
    const json_t *stages = json_object_get(item, "stages");
    bool complete = out->name && out->api;
    for (size_t i = 0; i < CTL_STAGE_COUNT; i++) {
        out->admin[i] = json_string_value(json_object_get(json_object_get(stages, ctl_stages[i]), "admin"));
        complete = complete && out->admin[i];
    }
    if (!complete)
        return ctl_fail(CTL_USAGE, "cluster file: validators[%zu] wants name, api and the six stages' admin", index);
    return CTL_OK;
}

int ctl_cluster_load(struct ctl_cluster **out, const char *path, bool keys)
{
    CLEANUP(ctl_cluster_destroy) struct ctl_cluster *self = calloc(1, sizeof *self);
    if (!self)
        return ctl_fail(CTL_ERROR, "out of memory");
    int rc = ctl_read_json(&self->json, path);
    if (rc != CTL_OK)
        return rc;
    self->kafka = json_string_value(json_object_get(self->json, "kafka"));
    self->genesis_path = json_string_value(json_object_get(self->json, "genesis"));
    const json_t *validators = json_object_get(self->json, "validators");
    self->validator_count = json_array_size(validators);
    if (!self->kafka || !self->genesis_path || self->validator_count < 1 ||
        self->validator_count > GENESIS_VALIDATORS_MAX)
        return ctl_fail(CTL_USAGE, "%s: wants kafka, genesis and 1 to %d validators", path, GENESIS_VALIDATORS_MAX);
    for (size_t i = 0; i < self->validator_count; i++) {
        rc = load_validator(&self->validators[i], json_array_get(validators, i), i);
        if (rc != CTL_OK)
            return rc;
    }
    rc = load_producers(self, keys);
    if (rc != CTL_OK)
        return rc;
    *out = TAKE(self);
    return CTL_OK;
}

void ctl_cluster_destroy(struct ctl_cluster **self)
{
    if (!self || !*self)
        return;
    for (size_t i = 0; (*self)->producers && i < (*self)->producer_count; i++)
        sign_key_wipe(&(*self)->producers[i].key);
    free((*self)->producers);
    json_decref((*self)->json);
    free(*self);
    *self = NULL;
}

int ctl_report_cluster(int argc, char *argv[], ctl_report_fn *report)
{
    bool json = false;
    const char *path = "run/cluster.json";
    for (int i = 1; i < argc; i += 2) {
        int rc = CTL_OK;
        if (i + 1 < argc && strcmp(argv[i], "--cluster") == 0)
            path = argv[i + 1];
        else if (i + 1 < argc && strcmp(argv[i], "-o") == 0)
            rc = ctl_output(&json, argv[i + 1]);
        else
            rc = ctl_fail(CTL_USAGE, "%s: '%s' is not understood; see cybermeshctl %s --help", argv[0], argv[i],
                          argv[0]);
        if (rc != CTL_OK)
            return rc;
    }
    CLEANUP(ctl_cluster_destroy) struct ctl_cluster *cluster = NULL;
    int rc = ctl_cluster_load(&cluster, path, /* keys= */ false);
    return rc == CTL_OK ? report(cluster, json) : rc;
}
