/* peers.c - `cybermeshctl peers`: whom does each validator hear, where, and who said so? */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "services/cybermeshctl/ctl.h"

enum { URL_BYTES = 1024, WHY_BYTES = 256, CONSENSUSD = 2, WORD_BYTES = 512 };

/* "name=v2 connected=1 ..." of a consensusd's /status: numbers become numbers, connected a truth value. */
static json_t *read_words(const char *text)
{
    json_t *peer = json_object();
    char word[WORD_BYTES];
    int used = 0;
    for (; sscanf(text, "%511s%n", word, &used) == 1; text += used) {
        char *value = strchr(word, '=');
        if (!value)
            continue;
        *value++ = '\0';
        char *end = NULL;
        long long number = strtoll(value, &end, 10);
        if (strcmp(word, "connected") == 0)
            json_object_set_new(peer, word, json_boolean(number != 0));
        else if (*value != '\0' && *end == '\0' && strcmp(word, "name") != 0)
            json_object_set_new(peer, word, json_integer(number));
        else
            json_object_set_new(peer, word, json_string(value));
    }
    return peer;
}

/* The peers of one validator, in the order of the genesis file. Returns NULL, having said why. */
static json_t *look_at(const struct ctl_validator *validator)
{
    char url[URL_BYTES], why[WHY_BYTES], name[32];
    CLEANUP(json_cleanup) json_t *status = NULL;
    long code = 0;
    snprintf(url, sizeof url, "%s/status", validator->admin[CONSENSUSD]);
    if (ctl_get(&status, &code, url, why, sizeof why) != CTL_OK || code != 200) {
        (void)ctl_fail(CTL_NO, "%s does not answer at %s: %s", validator->name, url, code ? "no status" : why);
        return NULL;
    }
    json_t *peers = json_array();
    for (unsigned i = 0; i < GENESIS_VALIDATORS_MAX; i++) {
        snprintf(name, sizeof name, "peer_%u", i);
        const char *text = json_string_value(json_object_get(status, name));
        if (text)
            json_array_append_new(peers, read_words(text));
    }
    return peers;
}

static bool all_connected(const json_t *peers)
{
    size_t index;
    json_t *peer;
    json_array_foreach(peers, index, peer)
    {
        if (!json_is_true(json_object_get(peer, "connected")))
            return false;
    }
    return true;
}

static const char *ago(char out[static 24], const json_t *peer, const char *name, long long now_ms)
{
    long long at_ms = json_integer_value(json_object_get(peer, name));
    if (at_ms == 0)
        return "never";
    snprintf(out, 24, "%.1fs", (double)(now_ms > at_ms ? now_ms - at_ms : 0) / 1000);
    return out;
}

static const char *text_of(const json_t *peer, const char *name)
{
    const char *text = json_string_value(json_object_get(peer, name));
    return text && *text ? text : "-";
}

static void print_table(const char *validator, const json_t *peers)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    long long now_ms = (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    size_t index;
    json_t *peer;
    json_array_foreach(peers, index, peer)
    {
        char since[24], heard[24];
        printf("%-6s %-6s %-9s %10s %10s %9.1fms  %-7s %s %s\n", validator, text_of(peer, "name"),
               json_is_true(json_object_get(peer, "connected")) ? "connected" : "-",
               ago(since, peer, "since_ms", now_ms), ago(heard, peer, "heard_ms", now_ms),
               (double)json_integer_value(json_object_get(peer, "round_trip_us")) / 1000, text_of(peer, "source"),
               text_of(peer, "pub"), text_of(peer, "sync"));
    }
}

static int report(const struct ctl_cluster *cluster, bool json)
{
    int code = CTL_OK;
    json_t *validators = json_array();
    if (!json)
        printf("%-6s %-6s %-9s %10s %10s %11s  %-7s %s\n", "node", "peer", "", "since", "heard", "round trip", "source",
               "pub, sync");
    for (size_t i = 0; i < cluster->validator_count; i++) {
        const struct ctl_validator *validator = &cluster->validators[i];
        json_t *peers = look_at(validator);
        if (!peers || !all_connected(peers))
            code = CTL_NO;
        if (peers && !json)
            print_table(validator->name, peers);
        json_array_append_new(validators, json_pack("{s:s, s:o?}", "name", validator->name, "peers", peers));
    }
    if (!json) {
        json_decref(validators);
        return code;
    }
    int printed = ctl_print_json_take(json_pack("{s:b, s:o}", "connected", code == CTL_OK, "validators", validators));
    return printed == CTL_OK ? code : printed;
}

static int run(int argc, char *argv[])
{
    return ctl_report_cluster(argc, argv, report);
}

const struct ctl_verb ctl_peers = {
    .name = "peers",
    .summary = "whom does each validator hear, where, and who said so?",
    .help = "usage: cybermeshctl peers [--cluster FILE] [-o json]\n\n"
            "Asks every validator's consensusd (default file: run/cluster.json). For each other validator: connected "
            "since\n"
            "when, heard how long ago, round trip of the last question, where, and the source of that address: config\n"
            "(CONSENSUS_PEERS), peer (its record, told by another validator), store (the same, from an earlier run), "
            "beacon.\n"
            "Exit 0 only if everybody is connected to everybody; else 1.\n",
    .run = run,
};
