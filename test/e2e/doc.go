// Package e2e drives the real program, as users and machines do: processes
// that are killed, two of them on one database, a clock that is wrong, a real
// browser (folder browser). The simulators run inside of the test.
package e2e
