/* server.c */
#include "tests/unit/persistd/server.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/edge/pg.h"

/* --- the server --------------------------------------------------------------------------------------------------- */

/* Run a program of the server's, not as root: it refuses that. */
static pid_t start(const char *const arguments[])
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (user && (setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0))
        _exit(126);
    int null = open("/dev/null", O_WRONLY);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    char *copy[16] = {NULL};
    for (size_t i = 0; arguments[i]; i++)
        copy[i] = strdup(arguments[i]);
    execv(copy[0], copy);
    _exit(127);
}

static bool find_programs(struct server *self)
{
    glob_t found;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
        return false;
    const char *initdb = found.gl_pathv[found.gl_pathc - 1];
    snprintf(self->programs, sizeof self->programs, "%.*s", (int)(strlen(initdb) - strlen("/initdb")), initdb);
    globfree(&found);
    return geteuid() != 0 || getpwnam("postgres");
}

void server_start(struct server *self)
{
    *self = (struct server){0};
    if (!find_programs(self))
        return;
    char initdb[80], postgres[80], data[64];
    snprintf(initdb, sizeof initdb, "%s/initdb", self->programs);
    snprintf(postgres, sizeof postgres, "%s/postgres", self->programs);
    snprintf(self->directory, sizeof self->directory, "/tmp/persist-XXXXXX");
    assert_non_null(mkdtemp(self->directory));
    if (geteuid() == 0)
        assert_int_equal(chown(self->directory, getpwnam("postgres")->pw_uid, getpwnam("postgres")->pw_gid), 0);
    snprintf(data, sizeof data, "%s/data", self->directory);
    const char *const init[] = {initdb, "-D", data, "-A", "trust", "-U", "tester", "-N", "--locale=C.UTF-8", NULL};
    int status = 0;
    assert_int_equal(waitpid(start(init), &status, 0) > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
    const char *const run[] = {postgres, "-D", data, "-k", self->directory, "-h", "", "-F", NULL};
    self->pid = start(run);
    snprintf(self->dsn, sizeof self->dsn, "host=%s user=tester dbname=postgres", self->directory);
    struct pg *pg = NULL;
    for (int i = 0; i < 200 && !pg; i++) {
        if (pg_connect(&pg, &(struct pg_options){.dsn = self->dsn, .application_name = "test"}) < 0)
            usleep(50000); /* it is still starting */
    }
    assert_non_null(pg);
    pg_destroy(&pg);
}

void server_stop(struct server *self)
{
    if (self->pid == 0)
        return;
    kill(self->pid, SIGQUIT);
    waitpid(self->pid, NULL, 0);
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", self->directory);
    assert_int_equal(system(command), 0);
}

static struct pg *connect_to(const char *dsn)
{
    struct pg *pg = NULL;
    assert_int_equal(pg_connect(&pg, &(struct pg_options){.dsn = dsn, .application_name = "test"}), 0);
    return pg;
}

void server_run(const char *dsn, const char *sql)
{
    struct pg *pg = connect_to(dsn);
    assert_int_equal(pg_command(pg, "test", sql), 0);
    pg_destroy(&pg);
}

int64_t server_number(const char *dsn, const char *sql)
{
    struct pg *pg = connect_to(dsn);
    struct pg_result *result = NULL;
    const struct pg_statement statement = {.name = "test", .sql = sql};
    assert_int_equal(pg_exec(pg, &statement, NULL, &result), 0);
    assert_int_equal(pg_result_rows(result), 1);
    int64_t number = pg_result_int(result, 0, 0);
    pg_result_destroy(&result);
    pg_destroy(&pg);
    return number;
}

void server_database(const struct server *self, const char *name, char *dsn)
{
    char sql[128];
    snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
    server_run(self->dsn, sql);
    snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
    server_run(self->dsn, sql);
    snprintf(dsn, 160, "host=%s user=tester dbname=%s", self->directory, name);
}

/* --- the proxy ---------------------------------------------------------------------------------------------------- */

static int unix_socket(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof address->sun_path);
    strcpy(address->sun_path, path);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static bool forward(int to, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(to, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* The server's command tag stands whole in what is read after a pause: its answers are flushed together at the end. */
static bool says_commit(const uint8_t *data, size_t size)
{
    return memmem(data, size, "COMMIT", sizeof "COMMIT") != NULL;
}

/* One connection at a time is enough for a store. Returns when it ends. */
static void relay(struct proxy *self, int client, int server)
{
    static uint8_t data[1 << 20];
    struct pollfd fds[] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
    while (!atomic_load(&self->stopping)) {
        if (poll(fds, 2, 50) <= 0)
            continue;
        for (int i = 0; i < 2; i++) {
            if (fds[i].revents == 0)
                continue;
            ssize_t size = recv(fds[i].fd, data, sizeof data, 0);
            if (size <= 0)
                return;
            int cut = atomic_load(&self->cut);
            if ((cut == CUT_REQUEST && i == 0) || (cut == CUT_ANSWER && i == 1 && says_commit(data, (size_t)size))) {
                atomic_store(&self->cut, CUT_NONE);
                atomic_fetch_add(&self->cut_count, 1);
                return;
            }
            if (cut == CUT_ANSWER && i == 1)
                continue; /* the client hears nothing any more */
            if (!forward(fds[1 - i].fd, data, (size_t)size))
                return;
        }
    }
}

static void *proxy_run(void *context)
{
    struct proxy *self = context;
    while (!atomic_load(&self->stopping)) {
        struct pollfd fd = {.fd = self->listener, .events = POLLIN};
        if (poll(&fd, 1, 50) <= 0)
            continue;
        int client = accept(self->listener, NULL, NULL);
        struct sockaddr_un address;
        int server = unix_socket(self->target, &address);
        if (connect(server, (struct sockaddr *)&address, sizeof address) == 0)
            relay(self, client, server);
        close(server);
        close(client);
    }
    return NULL;
}

void proxy_start(struct proxy *self, const struct server *server, const char *database, char *dsn)
{
    *self = (struct proxy){0};
    snprintf(self->directory, sizeof self->directory, "%s/proxy", server->directory);
    snprintf(self->target, sizeof self->target, "%s/.s.PGSQL.5432", server->directory);
    assert_true(mkdir(self->directory, 0755) == 0 || errno == EEXIST);
    char path[96];
    snprintf(path, sizeof path, "%s/.s.PGSQL.5432", self->directory);
    unlink(path);
    struct sockaddr_un address;
    self->listener = unix_socket(path, &address);
    assert_int_equal(bind(self->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(self->listener, 8), 0);
    assert_int_equal(pthread_create(&self->thread, NULL, proxy_run, self), 0);
    snprintf(dsn, 160, "host=%s user=tester dbname=%s", self->directory, database);
}

void proxy_stop(struct proxy *self)
{
    atomic_store(&self->stopping, true);
    pthread_join(self->thread, NULL);
    close(self->listener);
}
