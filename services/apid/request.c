/* request.c - the rules of HTTP that the listener's library does not insist on. */
#include "services/apid/request.h"

#include <string.h>

static int refuse(const char **why, int status, const char *text)
{
    *why = text;
    return status;
}

int request_judge(const struct request_form *form, const char **why)
{
    if (form->header_count >= REQUEST_HEADERS_MAX)
        return refuse(why, 400, "a request has fewer than 64 headers");
    if (form->host_count > 1 || (form->host_count == 0 && strcmp(form->version, "1.0") != 0))
        return refuse(why, 400, "a request has exactly one Host");
    if (form->content_length_count > 1 || (form->content_length_count > 0 && form->transfer_encoding_count > 0))
        return refuse(why, 400, "a request has one length: one Content-Length, or Transfer-Encoding");
    if (strcmp(form->method, "GET") != 0 && strcmp(form->method, "HEAD") != 0)
        return refuse(why, 405, "only GET and HEAD are answered");
    if (form->transfer_encoding_count > 0 || form->content_length > 0)
        return refuse(why, 400, "a request here has no body");
    return 0;
}

/* A list of "tag" and W/"tag", or *; for GET the weak comparison, which does not look at W/. */
bool request_knows(const char *header, const char *etag)
{
    size_t size = strlen(etag);
    const char *at = header ? header : "";
    while (*at) {
        at += strspn(at, " \t,");
        if (*at == '*')
            return true;
        at += strncmp(at, "W/", 2) == 0 ? 2 : 0;
        if (*at != '"')
            return false;
        size_t length = strcspn(++at, "\"");
        if (length == size && memcmp(at, etag, size) == 0 && at[length] == '"')
            return true;
        at += length + (at[length] == '"' ? 1 : 0);
    }
    return false;
}
