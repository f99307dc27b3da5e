{{- define "perigee.labels" -}}
app.kubernetes.io/name: perigee
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* Of one component; what a DaemonSet selects can't change. */}}
{{- define "perigee.selector" -}}
app.kubernetes.io/name: perigee
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "perigee.image" -}}
image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{/* What agent and proxy have in common: they live in the node's namespaces, on every node, and go last. */}}
{{- define "perigee.pod" -}}
hostNetwork: true
# Pods are found by the cgroups of their processes, and their network namespaces through /proc.
hostPID: true
dnsPolicy: ClusterFirstWithHostNet
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Not privileged; Kubernetes gives allowPrivilegeEscalation to whoever has SYS_ADMIN. */}}
{{- define "perigee.confined" -}}
runAsUser: 0
readOnlyRootFilesystem: true
seccompProfile: {type: RuntimeDefault}
# The runtimes' own profile refuses bpffs and the namespaces of other processes.
appArmorProfile: {type: Unconfined}
{{- end }}

{{/* Of those that need nothing of the node. */}}
{{- define "perigee.unprivileged" -}}
runAsNonRoot: true
runAsUser: 65532
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "perigee.agent.security" -}}
{{ include "perigee.confined" . }}
capabilities:
  drop: [ALL]
  add:
  - BPF          # load programs, make maps
  - PERFMON      # programs that follow kernel pointers (sock_ops, cgroup hooks)
  - NET_ADMIN    # attach to cgroups and network namespaces; close connections that policy forbids
  - NET_RAW      # answer requests that the kernel refuses in the server's name
  - SYS_ADMIN    # enter the network namespaces of pods (setns)
  - SYS_PTRACE   # open /proc/PID/ns/net of other users' processes
{{- end }}

{{- define "perigee.agent.mounts" -}}
- {name: bpf, mountPath: /sys/fs/bpf}
- {name: run, mountPath: /run/perigee}
# The runtime mounts the container's own part at /sys/fs/cgroup.
- {name: cgroup, mountPath: /host/cgroup, readOnly: true}
- {name: settings, mountPath: /etc/perigee, readOnly: true}
{{- if .Values.otlp.existingSecret }}
- {name: otlp-headers, mountPath: /etc/perigee-otlp/headers, readOnly: true}
{{- end }}
{{- if .Values.otlp.caConfigMap }}
- {name: otlp-authority, mountPath: /etc/perigee-otlp/authority, readOnly: true}
{{- end }}
{{- end }}

{{- define "perigee.volumes" -}}
# Programs and maps are pinned on the node, so that they outlive every pod.
- name: bpf
  hostPath: {path: /sys/fs/bpf, type: Directory}
# Sockets, and the proxy's last configuration.
- name: run
  hostPath: {path: /run/perigee, type: DirectoryOrCreate}
{{- end }}
