{{/* Heads of the policies. */}}

{{- define "cointide.policy" }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "cointide.fullname" (index . 0) }}-{{ index . 1 }}
  labels:
    {{- include "cointide.labels" (list (index . 0) "network") | nindent 4 }}
spec:
{{- end }}

{{- define "cointide.ofRelease" -}}
app.kubernetes.io/name: {{ include "cointide.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cointide.internet" -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except: {{ toJson .Values.networkPolicy.privateNetworks }}
- ipBlock:
    cidr: ::/0
    except: ["fc00::/7", "fe80::/10"]
{{- end }}
