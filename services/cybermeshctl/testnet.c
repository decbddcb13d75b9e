/* testnet.c - `cybermeshctl testnet`: a genesis file, keys and the environment files of every process, for trying out.
 *
 * Ports are base + 32 x validator + a fixed offset, so that a reader of one file can tell where the others listen.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "common/base/err.h"
#include "common/base/hex.h"
#include "common/edge/bus.h"
#include "common/edge/genesis_file.h"
#include "common/edge/keyfile.h"
#include "services/cybermeshctl/ctl.h"

enum { PATH_BYTES = 4096, PORTS_PER_VALIDATOR = 32, PASSWORD_BYTES = 24, GROUP_CHAIN_BYTES = 4 };

enum port_offset {
    PORT_CONSENSUS_PUB,
    PORT_CONSENSUS_SYNC,
    PORT_GOSSIP,
    PORT_API,
    PORT_ADMIN,          /* six, order of ctl_stages */
    PORT_ENDPOINTS = 10, /* order of endpoint_names */
};

enum { ENDPOINT_COUNT = 9 };
static const char *const endpoint_names[ENDPOINT_COUNT] = {
    "ADMISSION_ENDPOINT",     "POOL_ENDPOINT",     "EXECUTION_ENDPOINT",       "OUTCOME_ENDPOINT",
    "FEED_ENDPOINT",          "FEED_PUB_ENDPOINT", "QUERY_EXECUTORD_ENDPOINT", "QUERY_CONSENSUSD_ENDPOINT",
    "QUERY_MEMPOOLD_ENDPOINT"};
static const char *const endpoint_paths[ENDPOINT_COUNT] = {
    "admission",        "pool",          "execution", "outcome", "feed", "feed_pub", "query_executord",
    "query_consensusd", "query_mempoold"};

enum stage { INGESTD, MEMPOOLD, CONSENSUSD, EXECUTORD, PERSISTD, APID };

/* Which endpoints (bits of endpoint_names) and which other stages' keys a stage needs. */
static const struct stage_needs {
    uint32_t endpoints;
    uint32_t stages;
} stage_needs[CTL_STAGE_COUNT] = {
    [INGESTD] = {1u << 0 | 1u << 4 | 1u << 5, 1u << MEMPOOLD | 1u << PERSISTD},
    [MEMPOOLD] = {1u << 0 | 1u << 1 | 1u << 8, 1u << INGESTD | 1u << CONSENSUSD | 1u << APID},
    [CONSENSUSD] = {1u << 1 | 1u << 2 | 1u << 7, 1u << MEMPOOLD | 1u << EXECUTORD | 1u << APID},
    [EXECUTORD] = {1u << 2 | 1u << 3 | 1u << 6, 1u << CONSENSUSD | 1u << PERSISTD | 1u << APID},
    [PERSISTD] = {1u << 3 | 1u << 4 | 1u << 5, 1u << EXECUTORD | 1u << INGESTD | 1u << APID},
    [APID] = {1u << 6 | 1u << 7 | 1u << 8, 1u << EXECUTORD | 1u << CONSENSUSD | 1u << MEMPOOLD},
};

struct testnet {
    const char *dir;
    uint64_t validator_count;
    const char *kafka;
    bool tcp;
    bool know_one; /* each validator is told of one other */
    uint64_t base_port;
    const char *db_host;
    uint64_t db_port;
    struct genesis genesis;
    uint8_t stage_public[GENESIS_VALIDATORS_MAX][CTL_STAGE_COUNT][32];
};

static const struct {
    const char *name;
    uint32_t roles;
} producers[] = {{"sensor-1", PRODUCER_ROLE_ANOMALY},
                 {"sensor-2", PRODUCER_ROLE_ANOMALY},
                 {"forensics-1", PRODUCER_ROLE_EVIDENCE},
                 {"soc-1", PRODUCER_ROLE_POLICY},
                 {"governor-1", PRODUCER_ROLE_GOVERNOR}};

static int make_dir(const char *path)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return ctl_fail(CTL_USAGE, "%s: %s", path, strerror(errno));
    return CTL_OK;
}

static int make_path(char out[static PATH_BYTES], const char *dir, const char *name)
{
    if (snprintf(out, PATH_BYTES, "%s/%s", dir, name) >= PATH_BYTES)
        return ctl_fail(CTL_USAGE, "%s: path too long", dir);
    return CTL_OK;
}

/* A new secret key in dir/name; the public keys that belong to it. */
static int make_key(const char *dir, const char *name, struct sign_public *sign, uint8_t *curve)
{
    char path[PATH_BYTES];
    int rc = make_path(path, dir, name);
    if (rc != CTL_OK)
        return rc;
    uint8_t secret[KEYFILE_KEY_BYTES];
    randombytes_buf(secret, sizeof secret);
    int written = keyfile_write(path, secret);
    if (written == 0 && sign) {
        struct sign_key key;
        sign_key_from_seed(&key, secret);
        *sign = key.public;
        sign_key_wipe(&key);
    }
    if (written == 0 && curve)
        bus_curve_public(curve, secret);
    sodium_memzero(secret, sizeof secret);
    return written < 0 ? ctl_fail(CTL_USAGE, "%s: %s", path, err_text(written)) : CTL_OK;
}

static FILE *create(const char *dir, const char *name)
{
    char path[PATH_BYTES];
    if (make_path(path, dir, name) != CTL_OK)
        return NULL;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file)
        (void)ctl_fail(CTL_USAGE, "%s: %s", path, strerror(errno));
    return file;
}

static int finish(FILE *file, const char *dir, const char *name)
{
    bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed)
        return ctl_fail(CTL_ERROR, "%s/%s: cannot be written", dir, name);
    return CTL_OK;
}

static uint64_t port_of(const struct testnet *net, uint32_t validator, uint32_t offset)
{
    return net->base_port + (uint64_t)validator * PORTS_PER_VALIDATOR + offset;
}

static int make_pgpass(const struct testnet *net, const char *keys, const char *file_name, const char *validator,
                       const char *role)
{
    uint8_t random[PASSWORD_BYTES];
    char password[2 * PASSWORD_BYTES + 1];
    randombytes_buf(random, sizeof random);
    hex_encode(password, random, sizeof random);
    FILE *file = create(keys, file_name);
    if (!file)
        return CTL_USAGE;
    fprintf(file, "%s:%llu:cybermesh_%s:cybermesh_%s_%s:%s\n", net->db_host, (unsigned long long)net->db_port,
            validator, validator, role, password);
    sodium_memzero(password, sizeof password);
    return finish(file, keys, file_name);
}

static int make_validator_keys(struct testnet *net, uint32_t index, const char *dir)
{
    struct genesis_validator *validator = &net->genesis.validators[index];
    char keys[PATH_BYTES], other[PATH_BYTES];
    int rc = make_path(keys, dir, "keys");
    rc = rc == CTL_OK ? make_dir(keys) : rc;
    for (const char *const *name = (const char *const[]){"ipc", "data", NULL}; *name && rc == CTL_OK; name++) {
        rc = make_path(other, dir, *name);
        rc = rc == CTL_OK ? make_dir(other) : rc;
    }
    rc = rc == CTL_OK ? make_key(keys, "sign.key", &validator->sign_key, NULL) : rc;
    rc = rc == CTL_OK ? make_key(keys, "control.key", &validator->control_key, NULL) : rc;
    rc = rc == CTL_OK ? make_key(keys, "consensus-curve.key", NULL, validator->consensus_curve_key) : rc;
    rc = rc == CTL_OK ? make_key(keys, "mempool-curve.key", NULL, validator->mempool_curve_key) : rc;
    for (size_t i = 0; i < CTL_STAGE_COUNT && rc == CTL_OK; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s-curve.key", ctl_stages[i]);
        rc = make_key(keys, name, NULL, net->stage_public[index][i]);
    }
    rc = rc == CTL_OK ? make_pgpass(net, keys, "pgpass", validator->name, "writer") : rc;
    return rc == CTL_OK ? make_pgpass(net, keys, "pgpass-reader", validator->name, "reader") : rc;
}

/* Environment files. */

static void write_common(const struct testnet *net, FILE *file, uint32_t index, size_t stage)
{
    fprintf(file, "NODE_NAME=%s\nGENESIS_FILE=../genesis.json\nADMIN_LISTEN=127.0.0.1:%llu\n",
            net->genesis.validators[index].name, (unsigned long long)port_of(net, index, PORT_ADMIN + (uint32_t)stage));
    for (uint32_t i = 0; i < ENDPOINT_COUNT; i++) {
        if (!(stage_needs[stage].endpoints & 1u << i))
            continue;
        if (net->tcp)
            fprintf(file, "%s=tcp://127.0.0.1:%llu\n", endpoint_names[i],
                    (unsigned long long)port_of(net, index, PORT_ENDPOINTS + i));
        else
            fprintf(file, "%s=ipc://ipc/%s.sock\n", endpoint_names[i], endpoint_paths[i]);
    }
    if (!net->tcp)
        return;
    fprintf(file, "STAGE_CURVE_KEY_FILE=keys/%s-curve.key\n", ctl_stages[stage]);
    for (size_t i = 0; i < CTL_STAGE_COUNT; i++) {
        if (!(stage_needs[stage].stages & 1u << i))
            continue;
        char key[65];
        hex_encode(key, net->stage_public[index][i], 32);
        for (const char *c = ctl_stages[i]; *c; c++)
            fputc(*c - 'a' + 'A', file);
        fprintf(file, "_CURVE_KEY=%s\n", key);
    }
}

/* "name=tcp://host:port" of every other validator, or of the first of them; with a second port: "|tcp://host:port"
 * behind it. */
static void write_peers(const struct testnet *net, FILE *file, const char *key, uint32_t self, uint32_t first,
                        uint32_t second)
{
    bool some = false;
    for (uint32_t i = 0; i < net->validator_count; i++) {
        if (i == self || (net->know_one && some))
            continue;
        if (some)
            fputc(',', file);
        else
            fprintf(file, "%s=", key);
        fprintf(file, "%s=tcp://127.0.0.1:%llu", net->genesis.validators[i].name,
                (unsigned long long)port_of(net, i, first));
        if (second != first)
            fprintf(file, "|tcp://127.0.0.1:%llu", (unsigned long long)port_of(net, i, second));
        some = true;
    }
    if (some)
        fputc('\n', file);
}

static void write_database(const struct testnet *net, FILE *file, const char *name, const char *role,
                           const char *passfile)
{
    fprintf(file, "DB_DSN=host=%s port=%llu dbname=cybermesh_%s user=cybermesh_%s_%s passfile=%s\n", net->db_host,
            (unsigned long long)net->db_port, name, name, role, passfile);
}

/* The group's name has the first digits of the chain id, so that a new network on a broker that served another one
 * finds neither that one's offsets nor where its commit notices stood. */
static void write_kafka(const struct testnet *net, FILE *file, const char *name)
{
    char chain[2 * GROUP_CHAIN_BYTES + 1];
    hex_encode(chain, net->genesis.chain_id.bytes, GROUP_CHAIN_BYTES);
    fprintf(file, "KAFKA_BROKERS=%s\nKAFKA_CONSUMER_GROUP_ID=cybermesh-%s-%s\nCONTROL_KEY_FILE=keys/control.key\n",
            net->kafka, chain, name);
}

static void write_stage(const struct testnet *net, FILE *file, uint32_t index, enum stage stage)
{
    const char *name = net->genesis.validators[index].name;
    switch (stage) {
    case INGESTD:
        write_kafka(net, file, name);
        break;
    case MEMPOOLD:
        fprintf(file,
                "GOSSIP_BIND=tcp://127.0.0.1:%llu\nGOSSIP_CURVE_KEY_FILE=keys/mempool-curve.key\n"
                "MEMPOOL_MAX_TXS=20000\nMEMPOOL_MAX_BYTES=64MiB\nMEMPOOL_RATE_PER_SECOND=100000\n",
                (unsigned long long)port_of(net, index, PORT_GOSSIP));
        write_peers(net, file, "GOSSIP_PEERS", index, PORT_GOSSIP, PORT_GOSSIP);
        break;
    case CONSENSUSD:
        fprintf(file,
                "SIGN_KEY_FILE=keys/sign.key\nCONSENSUS_CURVE_KEY_FILE=keys/consensus-curve.key\n"
                "CONSENSUS_PUB_BIND=tcp://127.0.0.1:%llu\nCONSENSUS_SYNC_BIND=tcp://127.0.0.1:%llu\n",
                (unsigned long long)port_of(net, index, PORT_CONSENSUS_PUB),
                (unsigned long long)port_of(net, index, PORT_CONSENSUS_SYNC));
        fprintf(file, "CONSENSUS_ADVERTISE=tcp://127.0.0.1:%llu|tcp://127.0.0.1:%llu|tcp://127.0.0.1:%llu\n",
                (unsigned long long)port_of(net, index, PORT_CONSENSUS_PUB),
                (unsigned long long)port_of(net, index, PORT_CONSENSUS_SYNC),
                (unsigned long long)port_of(net, index, PORT_GOSSIP));
        write_peers(net, file, "CONSENSUS_PEERS", index, PORT_CONSENSUS_PUB, PORT_CONSENSUS_SYNC);
        break;
    case EXECUTORD:
        break;
    case PERSISTD:
        write_database(net, file, name, "writer", "keys/pgpass");
        fprintf(file, "DB_READER_ROLE=cybermesh_%s_reader\n", name);
        break;
    case APID:
        write_database(net, file, name, "reader", "keys/pgpass-reader");
        fprintf(file, "API_LISTEN=127.0.0.1:%llu\n", (unsigned long long)port_of(net, index, PORT_API));
        break;
    }
}

static int write_environment(const struct testnet *net, uint32_t index, const char *dir)
{
    for (size_t stage = 0; stage < CTL_STAGE_COUNT; stage++) {
        char name[64];
        snprintf(name, sizeof name, "%s.env", ctl_stages[stage]);
        FILE *file = create(dir, name);
        if (!file)
            return CTL_USAGE;
        write_common(net, file, index, stage);
        write_stage(net, file, index, (enum stage)stage);
        int rc = finish(file, dir, name);
        if (rc != CTL_OK)
            return rc;
    }
    return CTL_OK;
}

static int make_validators(struct testnet *net)
{
    char dir[PATH_BYTES];
    for (uint32_t i = 0; i < net->validator_count; i++) {
        struct genesis_validator *validator = &net->genesis.validators[i];
        snprintf(validator->name, sizeof validator->name, "v%u", i + 1);
        int rc = make_path(dir, net->dir, validator->name);
        rc = rc == CTL_OK ? make_dir(dir) : rc;
        rc = rc == CTL_OK ? make_validator_keys(net, i, dir) : rc;
        if (rc != CTL_OK)
            return rc;
    }
    return CTL_OK;
}

static int make_environments(const struct testnet *net)
{
    char dir[PATH_BYTES];
    for (uint32_t i = 0; i < net->validator_count; i++) {
        int rc = make_path(dir, net->dir, net->genesis.validators[i].name);
        rc = rc == CTL_OK ? write_environment(net, i, dir) : rc;
        if (rc != CTL_OK)
            return rc;
    }
    return CTL_OK;
}

static int make_producers(struct testnet *net, struct genesis_producer *out)
{
    char dir[PATH_BYTES];
    int rc = make_path(dir, net->dir, "producers");
    rc = rc == CTL_OK ? make_dir(dir) : rc;
    for (size_t i = 0; i < ARRAY_COUNT(producers) && rc == CTL_OK; i++) {
        char name[GENESIS_NAME_BYTES_MAX + 8];
        snprintf(name, sizeof name, "%s.key", producers[i].name);
        snprintf(out[i].name, sizeof out[i].name, "%s", producers[i].name);
        out[i].roles = producers[i].roles;
        rc = make_key(dir, name, &out[i].key, NULL);
    }
    net->genesis.producers = out;
    net->genesis.producer_count = ARRAY_COUNT(producers);
    return rc;
}

/* Write the genesis file, and read it back for the chain id. */
static int make_genesis(struct testnet *net, const char *path)
{
    CLEANUP(genesis_destroy) struct genesis *loaded = NULL;
    int rc = genesis_file_write(path, &net->genesis);
    rc = rc == 0 ? genesis_file_load(path, &loaded) : rc;
    if (rc < 0 || !loaded)
        return ctl_fail(CTL_USAGE, "%s: %s", path, err_text(rc));
    net->genesis.chain_id = loaded->chain_id;
    return CTL_OK;
}

static int make_testnet(struct testnet *net)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(net->genesis.network, sizeof net->genesis.network, "testnet");
    net->genesis.created_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    net->genesis.validator_count = (uint32_t)net->validator_count;
    net->genesis.parameters = genesis_parameters_default();
    struct genesis_producer list[ARRAY_COUNT(producers)] = {0};
    char path[PATH_BYTES];
    int rc = make_dir(net->dir);
    rc = rc == CTL_OK ? make_producers(net, list) : rc;
    rc = rc == CTL_OK ? make_validators(net) : rc;
    rc = rc == CTL_OK ? make_path(path, net->dir, "genesis.json") : rc;
    rc = rc == CTL_OK ? make_genesis(net, path) : rc;
    rc = rc == CTL_OK ? make_environments(net) : rc;
    net->genesis.producers = NULL;
    if (rc == CTL_OK)
        printf("%s\n", path);
    return rc;
}

static int option(struct testnet *net, const char *name, const char *value)
{
    if (strcmp(name, "--dir") == 0)
        net->dir = value;
    else if (strcmp(name, "--kafka") == 0)
        net->kafka = value;
    else if (strcmp(name, "--db-host") == 0)
        net->db_host = value;
    else if (strcmp(name, "--validators") == 0)
        return ctl_number(&net->validator_count, name, value, 1, GENESIS_VALIDATORS_MAX);
    else if (strcmp(name, "--base-port") == 0)
        return ctl_number(&net->base_port, name, value, 1024, 60000);
    else if (strcmp(name, "--db-port") == 0)
        return ctl_number(&net->db_port, name, value, 1, 65535);
    else if (strcmp(name, "--transport") == 0 && (strcmp(value, "ipc") == 0 || strcmp(value, "tcp") == 0))
        net->tcp = strcmp(value, "tcp") == 0;
    else if (strcmp(name, "--peers") == 0 && (strcmp(value, "all") == 0 || strcmp(value, "one") == 0))
        net->know_one = strcmp(value, "one") == 0;
    else
        return ctl_fail(CTL_USAGE, "testnet: '%s %s' is not understood; see cybermeshctl testnet --help", name, value);
    return CTL_OK;
}

static int run(int argc, char *argv[])
{
    struct testnet *net = calloc(1, sizeof *net);
    if (!net)
        return ctl_fail(CTL_ERROR, "out of memory");
    *net = (struct testnet){
        .validator_count = 5, .kafka = "127.0.0.1:9092", .base_port = 20000, .db_host = "127.0.0.1", .db_port = 5432};
    int rc = CTL_OK;
    for (int i = 1; i < argc && rc == CTL_OK; i += 2) {
        if (i + 1 >= argc)
            rc = ctl_fail(CTL_USAGE, "testnet: '%s' wants a value; see cybermeshctl testnet --help", argv[i]);
        else
            rc = option(net, argv[i], argv[i + 1]);
    }
    if (rc == CTL_OK && !net->dir)
        rc = ctl_fail(CTL_USAGE, "testnet: wants --dir DIR");
    if (rc == CTL_OK)
        rc = make_testnet(net);
    free(net);
    return rc;
}

const struct ctl_verb ctl_testnet = {
    .name = "testnet",
    .summary = "genesis file, keys and environment files of a network for trying out",
    .help =
        "usage: cybermeshctl testnet --dir DIR [OPTION VALUE]...\n\n"
        "  --validators N        1 to 64 (default 5)\n"
        "  --kafka HOST:PORT     the broker (default 127.0.0.1:9092)\n"
        "  --transport ipc|tcp   between the stages of a validator (default ipc)\n"
        "  --peers all|one       which others a validator is told of: every one (default), or one, which tells it of\n"
        "                        the rest\n"
        "  --base-port P         first of 32 ports per validator (default 20000)\n"
        "  --db-host H, --db-port P   the database server (default 127.0.0.1, 5432)\n\n"
        "Writes DIR/genesis.json, DIR/producers/NAME.key, and for each validator DIR/vI/ with DAEMON.env, keys/, ipc/\n"
        "and data/. A daemon is started in its validator's directory with the keys of its .env file as environment.\n"
        "Existing files are never replaced.\n",
    .run = run,
};
