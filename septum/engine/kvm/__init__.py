"""How is an instance run on KVM?"""
