package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	sdk    = "/sdk"
	folder = "/folder/"
)

// front stands before the simulator: nothing but a login works without a session, a disk's file is only free while its
// machine does not write it, and questions for changes are answered.
type front struct {
	next    http.Handler
	tracker *tracker
	user    string
	page    int
	served  int64 // bytes of disks
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == sdk:
		f.call(w, r)
	case strings.HasPrefix(r.URL.Path, folder):
		f.file(w, r)
	default:
		f.next.ServeHTTP(w, r)
	}
}

func (f *front) hasSession(r *http.Request) bool {
	cookie, err := r.Cookie(soap.SessionCookieName)
	if err != nil {
		return false
	}
	asked := &types.SessionIsActive{SessionID: cookie.Value, UserName: f.user}
	answer := simulator.Map.SessionManager().SessionIsActive(&simulator.Context{Map: simulator.Map}, asked)
	body, ok := answer.(*methods.SessionIsActiveBody)
	return ok && body.Res != nil && body.Res.Returnval
}

// endSessions forgets all of them.
func endSessions() {
	root := &simulator.Session{Registry: simulator.NewRegistry()}
	manager := root.Get(simulator.Map.SessionManager().Self).(*simulator.SessionManager)
	for _, session := range manager.SessionList {
		ended := &types.TerminateSession{SessionId: []string{session.Key}}
		manager.TerminateSession(&simulator.Context{Map: simulator.Map, Session: root}, ended)
	}
}

func (f *front) call(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	method, err := simulator.UnmarshalBody(types.TypeFunc(), body)
	if err != nil {
		// The simulator says what is wrong with it.
		f.next.ServeHTTP(w, r)
		return
	}
	open := method.Name == "RetrieveServiceContent" || method.Name == "Login"
	if !open && !f.hasSession(r) {
		(&fault{kind: "NotAuthenticated", text: "The session is not authenticated."}).answer(w)
		return
	}
	asked, ok := method.Body.(*types.QueryChangedDiskAreas)
	if !ok {
		f.next.ServeHTTP(w, r)
		return
	}
	info, wrong := f.tracker.changes(asked, f.page)
	if wrong != nil {
		wrong.answer(w)
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	fmt.Fprintf(w, head+`<QueryChangedDiskAreasResponse xmlns="urn:vim25"><returnval><startOffset>%d</startOffset><length>%d</length>`,
		info.StartOffset, info.Length)
	for _, area := range info.ChangedArea {
		fmt.Fprintf(w, "<changedArea><start>%d</start><length>%d</length></changedArea>", area.Start, area.Length)
	}
	fmt.Fprint(w, "</returnval></QueryChangedDiskAreasResponse>"+tail)
}

// changes answers one question for a page of changes.
func (t *tracker) changes(asked *types.QueryChangedDiskAreas, page int) (*types.DiskChangeInfo, *fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if asked.Snapshot == nil {
		return nil, wrongArgument("snapshot")
	}
	shot := t.snapshots[*asked.Snapshot]
	if shot == nil {
		text := "The object has already been deleted or has not been completely created"
		return nil, &fault{kind: "ManagedObjectNotFound", text: text}
	}
	d := shot.of.disk(asked.DeviceKey)
	switch {
	case shot.of.vm.Self != asked.This:
		return nil, wrongArgument("snapshot")
	case d == nil:
		return nil, wrongArgument("deviceKey")
	case asked.StartOffset < 0 || asked.StartOffset >= d.size:
		return nil, wrongArgument("startOffset")
	case shot.disks[d.key].line == "" || d.line == "":
		return nil, cannot("noTrack", "Change tracking is not active for the disk "+d.names[0])
	case shot.disks[d.key].line != d.line:
		return nil, cannot("cannotGetChanges", "Error caused by file "+d.names[0])
	}
	areas, wrong := d.changed(shot.disks[d.key], asked.ChangeId, asked.StartOffset)
	if wrong != nil {
		return nil, wrong
	}
	info := &types.DiskChangeInfo{StartOffset: asked.StartOffset, Length: d.size - asked.StartOffset}
	if len(areas) > page {
		areas = areas[:page]
		info.Length = areas[page-1].end - asked.StartOffset
	}
	for _, area := range areas {
		extent := types.DiskChangeExtent{Start: area.start, Length: area.end - area.start}
		info.ChangedArea = append(info.ChangedArea, extent)
	}
	return info, nil
}

// file serves a part of a datastore.
func (f *front) file(w http.ResponseWriter, r *http.Request) {
	switch {
	case !f.hasSession(r):
		w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
		http.Error(w, "no session", http.StatusUnauthorized)
	case f.tracker.isLocked(strings.TrimPrefix(r.URL.Path, folder)):
		http.Error(w, "the file is locked", http.StatusInternalServerError)
	default:
		f.next.ServeHTTP(&counted{w, &f.served}, r)
	}
}

// isLocked tells whether a file of a datastore is being written by a machine.
func (t *tracker) isLocked(path string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.machines {
		for _, d := range m.disks {
			if len(m.snapshots) == 0 && m.runs() && strings.HasSuffix(d.files[0], "/"+path) {
				return true
			}
		}
	}
	return false
}

type counted struct {
	http.ResponseWriter
	bytes *int64
}

func (c *counted) Write(part []byte) (int, error) {
	count, err := c.ResponseWriter.Write(part)
	atomic.AddInt64(c.bytes, int64(count))
	return count, err
}

const (
	head = `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope` +
		` xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"` +
		` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>`
	tail = `</soapenv:Body></soapenv:Envelope>`
)

// fault is why a question has no answer.
type fault struct {
	kind     string
	text     string
	key      string // of its message
	property string // that is wrong
}

func wrongArgument(property string) *fault {
	text := "A specified parameter was not correct: " + property
	return &fault{kind: "InvalidArgument", text: text, property: property}
}

func cannot(reason, text string) *fault {
	return &fault{kind: "FileFault", text: text, key: "vim.hostd.vmsvc.cbt." + reason}
}

func (f *fault) answer(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(w, head+`<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>%s</faultstring><detail>`, escaped(f.text))
	fmt.Fprintf(w, `<%sFault xmlns="urn:vim25" xsi:type="%s">`, f.kind, f.kind)
	if f.key != "" {
		fmt.Fprintf(w, "<faultMessage><key>%s</key><message>%s</message></faultMessage><file>%s</file>",
			f.key, escaped(f.text), escaped(f.text))
	}
	if f.property != "" {
		fmt.Fprintf(w, "<invalidProperty>%s</invalidProperty>", f.property)
	}
	fmt.Fprintf(w, `</%sFault></detail></soapenv:Fault>`+tail, f.kind)
}

func escaped(text string) string {
	var out bytes.Buffer
	_ = xml.EscapeText(&out, []byte(text))
	return out.String()
}
