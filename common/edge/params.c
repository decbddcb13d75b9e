/* params.c - facts of a policy's params. */
#include "common/edge/params.h"

#include "common/base/text.h"
#include "common/edge/json.h"

/* A text of 1..size_max bytes without control characters; else empty. */
static struct span text_of(const json_t *value, size_t size_max)
{
    if (!json_is_string(value))
        return (struct span){0};
    struct span text = span_of(json_string_value(value), json_string_length(value));
    return text.size <= size_max && text_is_clean(text) ? text : (struct span){0};
}

static void add_targets(struct params_facts *facts, const json_t *list)
{
    size_t index;
    const json_t *item;
    json_array_foreach(list, index, item)
    {
        if (facts->target_count == PARAMS_TARGETS_MAX)
            return;
        struct span target = text_of(item, PARAMS_TARGET_BYTES_MAX);
        if (target.size > 0)
            facts->targets[facts->target_count++] = target;
    }
}

static uint64_t ttl_of(const json_t *value)
{
    json_int_t ttl_s = json_integer_value(value); /* 0 for any other type */
    return ttl_s > 0 && (uint64_t)ttl_s <= PARAMS_TTL_S_MAX ? (uint64_t)ttl_s : 0;
}

int params_read(struct params_facts *out, struct span params_json)
{
    json_t *document;
    int rc = json_parse_strict(&document, params_json, JSON_DEPTH_MAX);
    if (rc < 0)
        return rc;
    const json_t *target = json_object_get(document, "target");
    out->document_ = document;
    out->policy_id = text_of(json_object_get(document, "policy_id"), PARAMS_POLICY_ID_BYTES_MAX);
    out->target_count = 0;
    add_targets(out, json_object_get(target, "ips"));
    add_targets(out, json_object_get(target, "cidrs"));
    out->ttl_s = ttl_of(json_object_get(json_object_get(document, "guardrails"), "ttl_seconds"));
    return 0;
}

void params_facts_deinit(struct params_facts *self)
{
    json_decref(self->document_);
    self->document_ = NULL;
    self->policy_id = (struct span){0};
    self->target_count = 0;
    self->ttl_s = 0;
}
