package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/vmware/govmomi/simulator"
)

// control is what a test can do besides what vSphere's API offers.
//
//	PUT  /write?vm=NAME&key=KEY&offset=N  the body is written by the guest; 409 when it does not run
//	GET  /frozen?vm=NAME&key=KEY          the file that holds what the last snapshot froze, which may be gone
//	GET  /live?vm=NAME&key=KEY            the file that holds the disk as it is now
//	POST /renew?vm=NAME                   the record of changes is begun anew
//	POST /expire                          all sessions end
//	GET  /served                          how many bytes of datastores were served so far
type control struct {
	tracker *tracker
	front   *front
}

func (c *control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "POST /expire":
		endSessions()
		return
	case "GET /served":
		fmt.Fprint(w, atomic.LoadInt64(&c.front.served))
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m := c.tracker.named(r.FormValue("vm"))
	if m == nil {
		http.Error(w, "no such machine", http.StatusNotFound)
		return
	}
	simulator.Map.WithLock(m.vm, func() {
		c.tracker.mu.Lock()
		defer c.tracker.mu.Unlock()
		c.onMachine(w, r, m, body)
	})
}

func (c *control) onMachine(w http.ResponseWriter, r *http.Request, m *machine, body []byte) {
	number := func(name string) int64 {
		value, _ := strconv.ParseInt(r.FormValue(name), 10, 64)
		return value
	}
	key := int32(number("key"))
	disk := m.disk(key)
	what := r.Method + " " + r.URL.Path
	var err error
	switch {
	case what == "POST /renew":
		err = m.record()
	case disk == nil:
		http.Error(w, "no such disk", http.StatusNotFound)
	case what == "PUT /write" && !m.runs():
		http.Error(w, "the guest does not run", http.StatusConflict)
	case what == "PUT /write":
		err = disk.write(number("offset"), body)
	case what == "GET /frozen" && m.last != nil:
		fmt.Fprint(w, m.last.disks[key].file)
	case what == "GET /live":
		fmt.Fprint(w, disk.files[len(disk.files)-1])
	default:
		http.Error(w, "there is no "+what, http.StatusNotFound)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (t *tracker) named(name string) *machine {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.machines {
		if m.vm.Name == name {
			return m
		}
	}
	return nil
}
