/*
 * Steps the wall clock of one running process, and leaves its monotonic clock alone. Preloaded into redis-server or
 * node. The step, a signed number of nanoseconds, lies in the file that PULSELOCK_WALL_STEP names; whoever changes the
 * file steps the clock at once. Calls go to the kernel directly: an allocator may ask for the time before any library
 * has been set up, and looking the real function up would allocate.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)

static const int64_t no_step = 0;
static const int64_t *step_ns = &no_step;

__attribute__((constructor)) static void map_step(void) {
  const char *path = getenv("PULSELOCK_WALL_STEP");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0)
    return;
  void *mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (mapped != MAP_FAILED)
    step_ns = mapped;
}

static int is_wall(clockid_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
  int result = syscall(SYS_clock_gettime, clock, at);
  if (result != 0 || !is_wall(clock))
    return result;
  int64_t ns = at->tv_sec * NS_PER_S + at->tv_nsec + __atomic_load_n(step_ns, __ATOMIC_RELAXED);
  at->tv_sec = ns / NS_PER_S;
  at->tv_nsec = ns % NS_PER_S;
  return 0;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  (void)zone;
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0)
    return -1;
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *at) {
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0)
    return (time_t)-1;
  if (at)
    *at = now.tv_sec;
  return now.tv_sec;
}
