/* Load at a fixed rate, whatever the server does: request n is meant to be sent n/RATE seconds after the beginning,
 * waits for a free connection if it must, and its latency counts from the time at which it was meant.
 *
 * open_loop HOST PORT RATE SECONDS CONNECTIONS TARGETS TAG [BODY]
 *
 * TARGETS has a line "PATH KEY" for each target, asked by turns: GET, or POST of the file BODY with an Idempotency-Key
 * of each request's own. Prints one line of JSON. Exit code 0 only if every answer was 2xx.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 1024
#define MAX_ANSWER (1 << 20)
#define MAX_REQUEST (1 << 16)
#define LATE_NS (30 * 1000000000LL) /* an answer that takes longer never comes */

struct connection {
    int socket;
    int64_t meant;
    size_t got;
    char *answer;
};

struct target {
    char path[512], key[512];
};

static struct connection connections[MAX_CONNECTIONS];
static int idle[MAX_CONNECTIONS], idle_count;
static struct target *targets;
static long target_count;
static char *body, *tag;
static size_t body_length;
static char request[MAX_REQUEST];

static void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static int64_t now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void read_targets(const char *path) {
    FILE *file = fopen(path, "r");
    struct target one;
    if (!file) die("%s: %s", path, strerror(errno));
    while (fscanf(file, "%511s %511s", one.path, one.key) == 2) {
        targets = realloc(targets, (target_count + 1) * sizeof one);
        if (!targets) die("no memory");
        targets[target_count++] = one;
    }
    fclose(file);
    if (!target_count) die("no targets");
}

static void read_body(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) die("%s: %s", path, strerror(errno));
    body = malloc(MAX_REQUEST);
    if (!body) die("no memory");
    body_length = fread(body, 1, MAX_REQUEST / 2, file);
    fclose(file);
}

static void open_connection(int which, const struct sockaddr_in *address, int poll) {
    struct connection *one = &connections[which];
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = which};
    int yes = 1;
    one->socket = socket(AF_INET, SOCK_STREAM, 0);
    one->answer = malloc(MAX_ANSWER);
    if (one->socket < 0 || !one->answer) die("no connection: %s", strerror(errno));
    if (connect(one->socket, (const struct sockaddr *)address, sizeof *address)) die("connect: %s", strerror(errno));
    setsockopt(one->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(one->socket, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(poll, EPOLL_CTL_ADD, one->socket, &event)) die("epoll: %s", strerror(errno));
    idle[idle_count++] = which;
}

static void send_request(long number, int64_t meant) {
    const struct target *to = &targets[number % target_count];
    struct connection *one = &connections[idle[--idle_count]];
    int head;
    if (body)
        head = snprintf(request, sizeof request / 2,
                        "POST %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nIdempotency-Key: %s-%ld\r\n"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                        to->path, to->key, tag, number, body_length);
    else
        head = snprintf(request, sizeof request / 2, "GET %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n\r\n",
                        to->path, to->key);
    memcpy(request + head, body, body_length);
    one->meant = meant;
    one->got = 0;
    /* A request is far smaller than the buffer of a socket on which nothing else waits. */
    if (send(one->socket, request, head + body_length, MSG_NOSIGNAL) != (ssize_t)(head + body_length))
        die("send: %s", strerror(errno));
}

/* Whether the answer is there to its last byte. */
static int is_whole(struct connection *one) {
    char *end, *length;
    one->answer[one->got] = 0;
    end = strstr(one->answer, "\r\n\r\n");
    if (!end) return 0;
    length = strcasestr(one->answer, "\r\ncontent-length:");
    if (!length || length > end) die("an answer without content-length");
    return one->got >= (size_t)(end + 4 - one->answer) + strtoul(length + 17, NULL, 10);
}

static int receive(struct connection *one) {
    ssize_t more = recv(one->socket, one->answer + one->got, MAX_ANSWER - 1 - one->got, 0);
    if (more < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (more <= 0) die("the server closed a connection");
    one->got += more;
    return is_whole(one);
}

static int ascending(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

int main(int count, char **arguments) {
    struct epoll_event events[MAX_CONNECTIONS];
    struct sockaddr_in address = {.sin_family = AF_INET};
    long total, sent = 0, done = 0, refused = 0;
    int64_t *latencies, began, began_waiting = 0;
    double rate;
    int wanted, poll;

    if (count != 8 && count != 9) die("open_loop HOST PORT RATE SECONDS CONNECTIONS TARGETS TAG [BODY]");
    if (!inet_aton(arguments[1], &address.sin_addr)) die("%s is no address", arguments[1]);
    address.sin_port = htons(atoi(arguments[2]));
    rate = atof(arguments[3]);
    total = (long)(rate * atof(arguments[4]));
    wanted = atoi(arguments[5]);
    if (rate <= 0 || total < 1 || wanted < 1 || wanted > MAX_CONNECTIONS) die("nothing to do");
    read_targets(arguments[6]);
    tag = arguments[7];
    if (count == 9) read_body(arguments[8]);
    latencies = malloc(total * sizeof *latencies);
    poll = epoll_create1(0);
    if (!latencies || poll < 0) die("no memory");
    for (int which = 0; which < wanted; which++) open_connection(which, &address, poll);

    began = now();
    while (done < total) {
        int64_t at = now(), next = began + (int64_t)(sent / rate * 1e9);
        struct timespec rest = {.tv_sec = 1};
        int found;
        while (sent < total && next <= at && idle_count) {
            send_request(sent++, next);
            next = began + (int64_t)(sent / rate * 1e9);
        }
        if (sent < total && idle_count) {
            int64_t left = next > at ? next - at : 0;
            rest = (struct timespec){.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
        }
        found = epoll_pwait2(poll, events, wanted, &rest, NULL);
        at = now();
        for (int each = 0; each < found; each++) {
            struct connection *one = &connections[events[each].data.u32];
            if (!receive(one)) continue;
            latencies[done++] = at - one->meant;
            refused += one->answer[9] != '2';
            idle[idle_count++] = events[each].data.u32;
            began_waiting = at;
        }
        if (began_waiting && at - began_waiting > LATE_NS) die("no answer for 30 seconds");
    }
    qsort(latencies, total, sizeof *latencies, ascending);
    printf("{\"requests\": %ld, \"refused\": %ld, \"seconds\": %.3f, \"p50_us\": %.1f, \"p90_us\": %.1f, "
           "\"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f}\n",
           total, refused, (now() - began) / 1e9, latencies[total / 2] / 1e3, latencies[total * 9 / 10] / 1e3,
           latencies[total * 99 / 100] / 1e3, latencies[total * 999 / 1000] / 1e3, latencies[total - 1] / 1e3);
    return refused != 0;
}
