package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// block is the unit in which changes are recorded.
const block = 64 << 10

// lseek(2)
const (
	seekData = 3
	seekHole = 4
)

// disk is a virtual disk: layers of which only the last one is written. Each holds all bytes of the disk at its point,
// in a sparse file; the first of these files is what the datastore serves. A file that was frozen is never written
// again.
type disk struct {
	key   int32
	size  int64
	names []string // what the configuration calls the layers: "[ds] app01/app01.vmdk"
	files []string
	line  string           // of changes; empty: none are recorded
	since []map[int64]bool // blocks that were written, by epoch; a snapshot ends one. The first is never written.
}

// frozen is a disk at the point of a snapshot.
type frozen struct {
	file  string
	line  string
	epoch int
}

func (f frozen) changeID() string {
	if f.line == "" {
		return ""
	}
	return fmt.Sprintf("%s/%d", f.line, f.epoch)
}

type snapshot struct {
	object *simulator.VirtualMachineSnapshot
	of     *machine
	disks  map[int32]frozen
}

// machine is one of the simulator's with disks. Its i-th snapshot has frozen the i-th layer of each.
type machine struct {
	vm        *simulator.VirtualMachine
	disks     []*disk
	snapshots []*snapshot
	last      *snapshot // the one taken last, which may be gone
}

func (m *machine) disk(key int32) *disk {
	for _, disk := range m.disks {
		if disk.key == key {
			return disk
		}
	}
	return nil
}

func (m *machine) runs() bool {
	return m.vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
}

// tracker follows the simulator's machines and snapshots. Where a machine's lock is held too, it is the outer one.
type tracker struct {
	types.ManagedObjectReference
	mu        sync.Mutex
	dir       string
	machines  map[types.ManagedObjectReference]*machine
	snapshots map[types.ManagedObjectReference]*snapshot
	made      int
}

func newTracker(dir string) *tracker {
	return &tracker{
		ManagedObjectReference: types.ManagedObjectReference{Type: "Tracker", Value: "tracker"},
		dir:                    dir,
		machines:               map[types.ManagedObjectReference]*machine{},
		snapshots:              map[types.ManagedObjectReference]*snapshot{},
	}
}

func (t *tracker) Reference() types.ManagedObjectReference { return t.ManagedObjectReference }

// add gives a machine's disks their files.
func (t *tracker) add(vm *simulator.VirtualMachine, tracks bool) error {
	m := &machine{vm: vm}
	for _, device := range vm.Config.Hardware.Device {
		told, ok := device.(*types.VirtualDisk)
		if !ok {
			continue
		}
		name := told.Backing.(*types.VirtualDiskFlatVer2BackingInfo).FileName
		d := &disk{key: told.Key, size: told.CapacityInBytes, names: []string{name}, files: []string{served(name)}}
		if err := os.Truncate(d.files[0], d.size); err != nil {
			return err
		}
		m.disks = append(m.disks, d)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.machines[vm.Self] = m
	if tracks {
		return m.record()
	}
	return nil
}

// served is the file of bytes beside a descriptor.
func served(name string) string {
	var path object.DatastorePath
	path.FromString(name)
	for _, entity := range simulator.Map.All("Datastore") {
		if store := entity.(*simulator.Datastore); store.Name == path.Datastore {
			return filepath.Join(store.Info.GetDatastoreInfo().Url, flat(path.Path))
		}
	}
	return ""
}

func flat(path string) string { return strings.TrimSuffix(path, ".vmdk") + "-flat.vmdk" }

// record begins a line of changes for each disk; what is there counts as written.
func (m *machine) record() error {
	for _, d := range m.disks {
		blocks, err := allocated(d.files[len(d.files)-1])
		if err != nil {
			return err
		}
		d.line, d.since = newLine(), []map[int64]bool{{}, blocks}
	}
	return nil
}

// PutObject sees a snapshot that is being taken; its machine is locked.
func (t *tracker) PutObject(put mo.Reference) {
	if taken, ok := put.(*simulator.VirtualMachineSnapshot); ok {
		must(t.freeze(taken))
	}
}

func (t *tracker) UpdateObject(mo.Reference, []types.PropertyChange) {}

// RemoveObject sees a snapshot that was removed; its machine is not locked.
func (t *tracker) RemoveObject(ref types.ManagedObjectReference) {
	t.mu.Lock()
	gone := t.snapshots[ref]
	t.mu.Unlock()
	if gone != nil {
		simulator.Map.WithLock(gone.of.vm, func() { must(t.merge(gone)) })
	}
}

func (t *tracker) freeze(taken *simulator.VirtualMachineSnapshot) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.machines[taken.Vm]
	if m == nil {
		return fmt.Errorf("a snapshot of %s, which has no disks here", taken.Vm)
	}
	wanted := m.vm.Config.ChangeTrackingEnabled
	on, recorded := wanted != nil && *wanted, m.disks[0].line != ""
	// A machine that is off begins at once; one that runs is stunned for its first snapshot, and begins then.
	if on && !recorded && !m.runs() {
		if err := m.record(); err != nil {
			return err
		}
	}
	if !on {
		for _, d := range m.disks {
			d.line, d.since = "", nil
		}
	}
	shot := &snapshot{object: taken, of: m, disks: map[int32]frozen{}}
	for _, d := range m.disks {
		top := d.files[len(d.files)-1]
		image := filepath.Join(t.dir, fmt.Sprintf("%s-%d", taken.Self.Value, d.key))
		if err := os.Link(top, image); err != nil {
			return err
		}
		shot.disks[d.key] = frozen{file: image, line: d.line, epoch: len(d.since) - 1}
		t.made++
		next := filepath.Join(t.dir, fmt.Sprintf("layer-%d", t.made))
		if err := copySparsely(top, next, d.size); err != nil {
			return err
		}
		d.files, d.names = append(d.files, next), append(d.names, d.nextName())
		if d.line != "" {
			d.since = append(d.since, map[int64]bool{})
		}
	}
	m.snapshots, m.last = append(m.snapshots, shot), shot
	t.snapshots[taken.Self] = shot
	m.configure()
	if on && m.disks[0].line == "" {
		return m.record()
	}
	return nil
}

// nextName is the name of a layer as vSphere numbers them: NAME-000001.vmdk.
func (d *disk) nextName() string {
	for number := 1; ; number++ {
		name := fmt.Sprintf("%s-%06d.vmdk", strings.TrimSuffix(d.names[0], ".vmdk"), number)
		if !contains(d.names, name) {
			return name
		}
	}
}

func contains(all []string, one string) bool {
	for _, known := range all {
		if known == one {
			return true
		}
	}
	return false
}

// merge brings what was written since a snapshot into the layer that it froze.
func (t *tracker) merge(gone *snapshot) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := gone.of
	at := 0
	for m.snapshots[at] != gone {
		at++
	}
	for _, d := range m.disks {
		if at == 0 {
			if err := os.Rename(d.files[1], d.files[0]); err != nil {
				return err
			}
		} else {
			if err := os.Remove(d.files[at]); err != nil {
				return err
			}
			d.files[at] = d.files[at+1]
		}
		d.files = append(d.files[:at+1], d.files[at+2:]...)
		d.names = append(d.names[:at+1], d.names[at+2:]...)
	}
	m.snapshots = append(m.snapshots[:at], m.snapshots[at+1:]...)
	delete(t.snapshots, gone.object.Self)
	m.configure()
	return nil
}

// configure tells the layers in the configuration of the machine and of its snapshots. The machine is locked.
func (m *machine) configure() {
	for layer, shot := range m.snapshots {
		shot := shot
		id := func(key int32) string { return shot.disks[key].changeID() }
		shot.object.Config.Hardware.Device = m.devices(layer, id)
	}
	m.vm.Config.Hardware.Device = m.devices(len(m.snapshots), func(int32) string { return "" })
}

func (m *machine) devices(layer int, changeID func(int32) string) []types.BaseVirtualDevice {
	var devices []types.BaseVirtualDevice
	for _, device := range m.vm.Config.Hardware.Device {
		if told, ok := device.(*types.VirtualDisk); ok {
			other := *told
			backing := *told.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
			other.Backing = m.disk(told.Key).backing(backing, layer, changeID(told.Key))
			device = &other
		}
		devices = append(devices, device)
	}
	return devices
}

func (d *disk) backing(like types.VirtualDiskFlatVer2BackingInfo, layer int, id string) *types.VirtualDiskFlatVer2BackingInfo {
	like.FileName, like.ChangeId, like.Parent = d.names[layer], id, nil
	if layer > 0 {
		like.Parent = d.backing(like, layer-1, "")
	}
	return &like
}

// write is what a guest does.
func (d *disk) write(offset int64, bytes []byte) error {
	if offset < 0 || offset+int64(len(bytes)) > d.size {
		return fmt.Errorf("%d bytes at %d are not on a disk of %d", len(bytes), offset, d.size)
	}
	file, err := os.OpenFile(d.files[len(d.files)-1], os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.WriteAt(bytes, offset); err != nil {
		return err
	}
	if d.line != "" {
		mark(d.since[len(d.since)-1], offset, offset+int64(len(bytes)))
	}
	return nil
}

func mark(blocks map[int64]bool, from, to int64) {
	for at := from / block; at*block < to; at++ {
		blocks[at] = true
	}
}

type area struct{ start, end int64 }

// changed lists the areas from an offset on that were written between a change id and a snapshot; of the id "*" all
// that ever were.
func (d *disk) changed(at frozen, id string, from int64) ([]area, *fault) {
	epoch := 0
	if id != "*" {
		slash := strings.LastIndex(id, "/")
		number, err := strconv.Atoi(id[slash+1:])
		if slash < 1 || err != nil {
			return nil, wrongArgument("changeId")
		}
		// Ids are those of snapshots: there is none before the first.
		if id[:slash] != at.line || number < 1 || number > at.epoch {
			return nil, cannot("cannotGetChanges", "Error caused by file "+d.names[0])
		}
		epoch = number
	}
	blocks := map[int64]bool{}
	for _, written := range d.since[epoch+1 : at.epoch+1] {
		for number := range written {
			blocks[number] = true
		}
	}
	order := make([]int64, 0, len(blocks))
	for number := range blocks {
		order = append(order, number)
	}
	sort.Slice(order, func(i, j int) bool { return order[i] < order[j] })
	var areas []area
	for _, number := range order {
		found := area{max(number*block, from), min((number+1)*block, d.size)}
		switch last := len(areas) - 1; {
		case found.end <= found.start:
		case last >= 0 && areas[last].end == found.start:
			areas[last].end = found.end
		default:
			areas = append(areas, found)
		}
	}
	return areas, nil
}

// allocated tells the blocks of a sparse file that hold data.
func allocated(path string) (map[int64]bool, error) {
	blocks := map[int64]bool{}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return blocks, eachExtent(file, func(from, to int64) error {
		mark(blocks, from, to)
		return nil
	})
}

func eachExtent(file *os.File, do func(from, to int64) error) error {
	for at := int64(0); ; {
		from, err := syscall.Seek(int(file.Fd()), at, seekData)
		if err == syscall.ENXIO {
			return nil
		}
		if err != nil {
			return err
		}
		if at, err = syscall.Seek(int(file.Fd()), from, seekHole); err != nil {
			return err
		}
		if err := do(from, at); err != nil {
			return err
		}
	}
}

func copySparsely(from, to string, size int64) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	copied, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer copied.Close()
	if err := copied.Truncate(size); err != nil {
		return err
	}
	return eachExtent(source, func(from, to int64) error {
		if _, err := copied.Seek(from, io.SeekStart); err != nil {
			return err
		}
		_, err := io.Copy(copied, io.NewSectionReader(source, from, to-from))
		return err
	})
}

// newLine is the first half of a change id, as vSphere writes it: 52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63.
func newLine() string {
	text := fmt.Sprintf("% x", random())
	return text[:23] + "-" + text[24:]
}

func newUUID() string {
	it := random()
	return strings.ToUpper(fmt.Sprintf("%x-%x-%x-%x-%x", it[:4], it[4:6], it[6:8], it[8:10], it[10:]))
}

func random() []byte {
	bytes := make([]byte, 16)
	_, err := rand.Read(bytes)
	must(err)
	return bytes
}

func max(a, b int64) int64 {
	if a > b {
		return a
	}
	return b
}

func min(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}

// must ends everything when the disks are no longer what they should be. A panic would only end a request.
func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
