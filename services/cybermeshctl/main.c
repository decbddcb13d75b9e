/* main.c - cybermeshctl: one verb per file. */
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>
#include <sodium.h>

#include "common/edge/log.h"
#include "services/cybermeshctl/ctl.h"

static const struct ctl_verb *const verbs[] = {&ctl_keys,  &ctl_testnet, &ctl_produce, &ctl_status,
                                               &ctl_peers, &ctl_safety,  &ctl_verify};

static void print_help(FILE *out)
{
    fputs("usage: cybermeshctl VERB [OPTION...]\n\n", out);
    for (size_t i = 0; i < ARRAY_COUNT(verbs); i++)
        fprintf(out, "  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
    fputs("\n`cybermeshctl VERB --help` tells about one.\n"
          "Exit codes: 0 yes; 1 no (not healthy, not proved, not committed in time); 2 wrong usage or input;\n"
          "3 could not find out.\n",
          out);
}

static int run(int argc, char *argv[])
{
    if (argc < 2) {
        print_help(stderr);
        return CTL_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return CTL_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("cybermeshctl " CYBERMESH_VERSION);
        return CTL_OK;
    }
    for (size_t i = 0; i < ARRAY_COUNT(verbs); i++) {
        if (strcmp(argv[1], verbs[i]->name) != 0)
            continue;
        if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
            fputs(verbs[i]->help, stdout);
            return CTL_OK;
        }
        return verbs[i]->run(argc - 1, argv + 1);
    }
    print_help(stderr);
    return ctl_fail(CTL_USAGE, "no verb '%s'", argv[1]);
}

int main(int argc, char *argv[])
{
    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return ctl_fail(CTL_ERROR, "libsodium or libcurl cannot start");
    log_open("cybermeshctl", "", LOG_LEVEL_WARN);
    int code = run(argc, argv);
    curl_global_cleanup();
    return code;
}
