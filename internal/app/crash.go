package app

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// crashVar is for the crash tests only: "STEP:N" ends this process, as kill -9
// does, when a run takes the step of that name for the Nth time (run.Options).
const crashVar = "IMREPORT_TEST_CRASH"

// crashStep is nil unless the crash tests have asked for it.
func crashStep() func(step string) {
	at, times, ok := strings.Cut(os.Getenv(crashVar), ":")
	n, err := strconv.ParseInt(times, 10, 64)
	if !ok || err != nil {
		return nil
	}
	var seen atomic.Int64
	return func(step string) {
		if step != at || seen.Add(1) != n {
			return
		}
		if me, err := os.FindProcess(os.Getpid()); err == nil {
			_ = me.Kill()
		}
		select {} // the signal is on its way
	}
}
